"""A small CloudWatch: the template's own alarms, evaluated over what functions have logged.

As documented ("Evaluating an alarm", "Configuring how CloudWatch alarms treat missing data"): a
datapoint is the statistic of one period; an alarm is raised when enough of the last periods are
over the threshold; what a period without data counts as, the alarm says itself.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import yaml

from infra.contracts.alarms import NAMESPACE
from infra.local.settings import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

OK: Final = "OK"
ALARM: Final = "ALARM"
_PLACEHOLDERS: Final = {"Stage": "local"}

Key = tuple[str, frozenset[tuple[str, str]]]


def read_alarms() -> dict[str, dict[str, Any]]:
    """Return the alarms of the functions' own metrics, by their names without the stage."""
    stack = yaml.safe_load((ROOT / "infra" / "stacks" / "monitoring.yaml").read_text())
    found = {}
    for resource in stack["Resources"].values():
        properties = resource["Properties"]
        if properties.get("Namespace") == NAMESPACE:
            found[properties["AlarmName"]["Fn::Sub"].removeprefix("ordering-${Stage}-")] = (
                properties
            )
    return found


@dataclass
class Metrics:
    """What log lines have measured (CloudWatch embedded metric format)."""

    values: dict[Key, list[tuple[float, float]]] = field(default_factory=dict)

    def read(self, lines: Iterable[str]) -> None:
        """Take the measures of lines; others are passed over."""
        for line in lines:
            if '"CloudWatchMetrics"' not in line:
                continue
            document = json.loads(line[line.index("{") :])
            at = document["_aws"]["Timestamp"] / 1000
            for directive in document["_aws"]["CloudWatchMetrics"]:
                for dimensions in directive["Dimensions"]:
                    named = frozenset((name, document[name]) for name in dimensions)
                    for metric in directive["Metrics"]:
                        measured = document[metric["Name"]]
                        several = measured if isinstance(measured, list) else [measured]
                        kept = self.values.setdefault((metric["Name"], named), [])
                        kept.extend((at, float(value)) for value in several)

    def state(self, alarm: Mapping[str, Any], now: float, *, speed: float = 1.0) -> str:
        """Return the alarm's state at a time; its periods are ``speed`` times as short.

        The period that is not over yet is not looked at.
        """
        period = alarm["Period"] / speed
        end = now // period * period
        considered = [
            self._datapoint(alarm, end - (number + 1) * period, period)
            for number in range(alarm["EvaluationPeriods"])
        ]
        missing = alarm["TreatMissingData"]
        if missing == "ignore":
            considered = [point for point in considered if point is not None]
        over = [
            missing == "breaching" if point is None else point > alarm["Threshold"]
            for point in considered
        ]
        return ALARM if sum(over) >= alarm["DatapointsToAlarm"] else OK

    def _datapoint(self, alarm: Mapping[str, Any], start: float, period: float) -> float | None:
        dimensions = frozenset(
            (each["Name"], _resolved(each["Value"])) for each in alarm["Dimensions"]
        )
        measured = self.values.get((alarm["MetricName"], dimensions), [])
        values = [value for at, value in measured if start <= at < start + period]
        if not values:
            return None
        match alarm.get("Statistic") or alarm["ExtendedStatistic"]:
            case "Maximum":
                return max(values)
            case "Sum":
                return sum(values)
            case "p99":
                return sorted(values)[min(int(len(values) * 0.99), len(values) - 1)]
            case other:
                raise NotImplementedError(other)


def _resolved(value: object) -> str:
    return _PLACEHOLDERS[value["Ref"]] if isinstance(value, dict) else str(value)
