"""Structured logs and EMF metrics, alike in every function (Powertools).

Metrics are part of the log line of the event that they count (CloudWatch embedded metric format).
"""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from traceback import format_exception
from typing import TYPE_CHECKING, Final, NamedTuple

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import (
    AmazonCloudWatchEMFProvider,
)

from .settings import Stage, function_stem, read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "Measure",
    "MetricUnit",
    "format_log_line",
    "format_traceback",
    "log_event",
    "log_measures_of",
    "logger",
    "new_traceparent",
    "write_log_line",
]

_STEM: Final = function_stem()
_STAGE: Final = read_settings(Stage).stage
_LONGEST_TRACEBACK: Final = 20_000
"""In characters: CloudWatch takes no more than 256 KB for a line with metrics."""
# As Powertools does it, without making an encoder for every line, and without looking for JSON in
# messages, which are sentences: a third of a line's cost. In ASCII: what an exception quotes may be
# what no encoding can write.
_encode: Final = json.JSONEncoder(default=str, separators=(",", ":")).encode

logger: Final = Logger(service=_STEM, json_serializer=_encode, json_deserializer=str)
"""For what is not measured."""
_emf: Final = AmazonCloudWatchEMFProvider(namespace="Ordering", service=_STEM)


class Measure(NamedTuple):
    """A value of a metric, in its unit; by itself it counts one."""

    name: str
    value: float = 1
    unit: MetricUnit = MetricUnit.Count


def format_log_line(
    message: str, /, *measures: Measure, level: str = "INFO", **fields: object
) -> str:
    """Return a log line with at least one measure, ready to be written.

    CloudWatch finds the metrics in it (EMF), people and Logs Insights message and fields. Its own
    members (level, message, timestamp, service, stage) and the metrics' names are no names for
    fields. A metric counts for the function, and for the whole stage.
    """
    return _format(message, measures, level, {"service": _STEM}, fields)


def _format(
    message: str,
    measures: Sequence[Measure],
    level: str,
    by: Mapping[str, str],
    fields: Mapping[str, object],
) -> str:
    own = {
        "level": level,
        "message": message,
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "service": _STEM,
    }
    line = _emf.serialize_metric_set(
        metrics={name: {"Unit": unit.value, "Value": value} for name, value, unit in measures},
        dimensions={"stage": _STAGE, **by},
        metadata={**own, **fields, **own},
    )
    line["_aws"]["CloudWatchMetrics"][0]["Dimensions"].append(["stage"])
    return _encode(line)


def write_log_line(ready: str) -> None:
    """Write a line to the function's log."""
    sys.stdout.write(ready + "\n")


def log_event(message: str, /, *measures: Measure, level: str = "INFO", **fields: object) -> None:
    """Make a log line with at least one measure and write it."""
    write_log_line(format_log_line(message, *measures, level=level, **fields))


def log_measures_of(by: Mapping[str, str], message: str, /, *measures: Measure) -> None:
    """Write a line with measures of something else than this function.

    ``by`` are the metrics' dimensions beside the stage, such as ``read_model``, with their values.
    """
    write_log_line(_format(message, measures, "INFO", by, {}))


def format_traceback(error: BaseException) -> str:
    """Return the traceback of an exception, for a line's ``exception``: its end, if it is long."""
    return "".join(format_exception(error))[-_LONGEST_TRACEBACK:]


def new_traceparent() -> str:
    """Start a trace (W3C Trace Context, version 00, sampled)."""
    random = os.urandom(24).hex()
    return f"00-{random[:32]}-{random[32:]}-01"
