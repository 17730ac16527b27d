"""Shows what became of one request: API, command, relay and every projector, in order of time.

The log lines of all functions carry the trace (W3C Trace Context) and the correlation id of the
requests that they are about; the API's access log has the request's id.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from infra.local.servers.child import StartError

_TRACEPARENT: Final = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_ACCESS: Final = "access"
_SHOWN: Final = ("status", "code", "detail", "order_id", "version", "events", "error", "reason")
_MEASURED: Final = ("CommandDuration", "QueryDuration", "OutboxAge", "EndToEndAge")
_LONGEST: Final = 60


@dataclass(frozen=True)
class Step:
    """One log line of the trace; `at` is in Unix seconds, `ms` what it says that it took."""

    at: float
    service: str
    message: str
    level: str
    ms: float | None
    details: str


def show_trace(logs: Path, wanted: str) -> int:
    """Print the trace of a correlation id, a trace id, a traceparent or an order id.

    Raises:
        StartError: no line is about it.
    """
    steps = find_steps(logs, wanted)
    if not steps:
        raise StartError(
            f"no log line is about {wanted!r}: give a correlation id, a trace id or an order id"
        )
    table = Table("ms", "after ms", "part", "what", "took ms", "details", box=None)
    first = before = steps[0].at
    for step in steps:
        style = {"ERROR": "red", "WARNING": "yellow"}.get(step.level, "")
        table.add_row(
            f"{(step.at - first) * 1000:.0f}",
            f"+{(step.at - before) * 1000:.0f}",
            step.service,
            step.message,
            "" if step.ms is None else f"{step.ms:.1f}",
            step.details,
            style=style,
        )
        before = step.at
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    console.print(table)
    return 0


def find_steps(logs: Path, wanted: str) -> list[Step]:
    """Return the steps that are about the id, or about the same requests, by their time."""
    match = _TRACEPARENT.fullmatch(wanted)
    ids = {match[1] if match else wanted}
    lines = list(_lines(logs))
    # A request has a correlation id and a trace; whoever asks has one of them, or the order's.
    for service, line in lines:
        if ids & _ids(line) and service != _ACCESS and "correlation_id" in line:
            ids |= _of_request(line)
    found = [_step(service, line) for service, line in lines if ids & _ids(line)]
    return sorted(found, key=lambda step: step.at)


def _lines(logs: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for file in sorted(logs.glob("*.log")):
        for text in file.read_text(errors="replace").splitlines():
            start = text.find("{")
            if start < 0:
                continue
            try:
                line = json.loads(text[start:])
            except ValueError:
                continue
            if isinstance(line, dict) and ("timestamp" in line or "requestTimeEpoch" in line):
                yield file.stem, line


def _ids(line: Mapping[str, Any]) -> set[str]:
    ids = _of_request(line)
    ids.update(line.get("correlation_ids") or ())
    for traceparent in line.get("traceparents") or ():
        if match := _TRACEPARENT.fullmatch(str(traceparent)):
            ids.add(match[1])
    ids.update(str(line[name]) for name in ("order_id", "requestId") if line.get(name))
    return ids - {""}


def _of_request(line: Mapping[str, Any]) -> set[str]:
    ids = {str(line.get("correlation_id") or "")}
    if match := _TRACEPARENT.fullmatch(str(line.get("traceparent") or "")):
        ids.add(match[1])
    return ids - {""}


def _step(service: str, line: Mapping[str, Any]) -> Step:
    took = next((float(line[name]) for name in _MEASURED if name in line), None)
    if service == _ACCESS and str(line.get("responseLatency", "")).isdecimal():
        took = float(line["responseLatency"])
    if "timestamp" in line:
        at = datetime.fromisoformat(str(line["timestamp"])).timestamp()
    else:
        at = int(line["requestTimeEpoch"]) / 1000
    details = [f"{name} {str(line[name])[:_LONGEST]}" for name in _SHOWN if line.get(name)]
    return Step(
        at=at,
        service=str(line.get("service") or service),
        message=str(line.get("message") or line.get("routeKey") or ""),
        level=str(line.get("level") or "INFO"),
        ms=took,
        details=", ".join(details),
    )
