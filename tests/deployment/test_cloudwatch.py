"""The evaluator of alarms that the tests use, against what CloudWatch documents."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.local.settings import ROOT
from tests.cloudwatch import ALARM, OK, Metrics, read_alarms


def line(at: float, **values: float) -> str:
    return json.dumps(
        {
            "_aws": {
                "Timestamp": at * 1000,
                "CloudWatchMetrics": [
                    {
                        "Namespace": "Ordering",
                        "Dimensions": [["stage"]],
                        "Metrics": [{"Name": name, "Unit": "Count"} for name in values],
                    }
                ],
            },
            "stage": "local",
            **values,
        }
    )


def alarm(**changes: object) -> dict[str, Any]:
    return {
        "MetricName": "M",
        "Dimensions": [{"Name": "stage", "Value": {"Ref": "Stage"}}],
        "Period": 60,
        "Statistic": "Maximum",
        "Threshold": 5,
        "EvaluationPeriods": 2,
        "DatapointsToAlarm": 2,
        "TreatMissingData": "notBreaching",
        **changes,
    }


@pytest.mark.parametrize(
    ("values", "changes", "state"),
    [
        ([9, 9], {}, ALARM),
        ([9, 5], {}, OK),
        ([9, 1], {"DatapointsToAlarm": 1}, ALARM),
        ([9, None], {}, OK),
        ([9, None], {"TreatMissingData": "breaching"}, ALARM),
        ([None, None], {"TreatMissingData": "breaching"}, ALARM),
        ([None, None], {"TreatMissingData": "ignore"}, OK),
        ([3, 3], {"Statistic": "Sum", "Threshold": 2}, ALARM),
    ],
)
def test_states(values: list[float | None], changes: dict[str, Any], state: str) -> None:
    metrics = Metrics()
    metrics.read(line(6000 + 60 * n, M=v) for n, v in enumerate(values) if v is not None)
    assert metrics.state(alarm(**changes), 6000 + 60 * len(values) + 30) == state


def test_the_period_that_is_not_over_does_not_count() -> None:
    metrics = Metrics()
    metrics.read([line(6001, M=9), line(6061, M=9)])
    assert metrics.state(alarm(), 6100) == OK
    assert metrics.state(alarm(), 6121) == ALARM
    assert metrics.state(alarm(Period=600), 6121, speed=10) == ALARM


def test_values_of_one_period_are_one_datapoint() -> None:
    metrics = Metrics()
    metrics.read([line(6001 + n, M=1) for n in range(4)])
    one = {"EvaluationPeriods": 1, "DatapointsToAlarm": 1, "Threshold": 3}
    assert metrics.state(alarm(**one), 6061) == OK
    assert metrics.state(alarm(**one, Statistic="Sum"), 6061) == ALARM


def test_every_alarm_watches_a_metric_that_some_function_writes() -> None:
    sources = "".join(
        path.read_text()
        for directory in ("functions", "layers/common/ordering")
        for path in (ROOT / directory).rglob("*.py")
    )
    for name, properties in read_alarms().items():
        metric = properties["MetricName"]
        kinds = metric.replace("QueryDuration", "{self.kind}Duration")
        assert f'"{metric}"' in sources or f'"{kinds}"' in sources, name
