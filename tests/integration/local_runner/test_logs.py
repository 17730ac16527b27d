"""Logs are readable on the console, whole in the files, and bounded."""

import errno
import io
import json
from pathlib import Path
from unittest.mock import patch

import pytest

from infra.local.logs import CappedFile, LineSplitter, Logs, readable


def test_a_json_line_of_a_logger_is_shown_as_a_sentence() -> None:
    line = {
        "level": "INFO",
        "location": "handler:10",
        "message": "order placed",
        "timestamp": "2026-11-22 22:40:00,123+0000",
        "service": "ordering",
        "cold_start": True,
        "function_name": "PlaceOrder",
        "order_id": "o-1",
        "lines": 2,
    }
    assert readable(json.dumps(line).encode()) == "INFO order placed order_id=o-1 lines=2"


def test_an_error_of_the_runtime_is_shown_with_its_stack() -> None:
    line = {
        "timestamp": "t",
        "level": "ERROR",
        "errorMessage": "bad order",
        "errorType": "ValueError",
        "requestId": "r",
        "stackTrace": ["  File x, line 1\n", "    raise\n"],
    }
    shown = readable(json.dumps(line).encode())
    assert shown == "ERROR ValueError: bad order\n      File x, line 1\n        raise"


def test_a_line_of_the_access_log_is_shown_without_what_is_not_there() -> None:
    line = {"requestId": "r", "routeKey": "POST /orders", "status": "201", "error": "-"}
    assert readable(json.dumps(line).encode()) == "INFO routeKey=POST /orders status=201"


METRICS = {"CloudWatchMetrics": [{"Metrics": [{"Name": "Orders", "Unit": "Count"}]}]}


def test_a_line_that_is_measured_too_is_shown_without_its_metrics() -> None:
    line = {"_aws": METRICS, "level": "INFO", "message": "accepted", "order_id": "o", "Orders": 1}
    assert readable(json.dumps(line).encode()) == "INFO accepted order_id=o"


def test_metrics_are_only_in_the_file(tmp_path: Path) -> None:
    metrics = json.dumps({"_aws": METRICS, "Orders": 1}).encode()
    console = io.StringIO()
    with Logs(tmp_path, console=console) as logs:
        logs.lines("place_order", [metrics, b"plain text"])
    assert (tmp_path / "place_order.log").read_bytes() == metrics + b"\nplain text\n"
    assert console.getvalue().endswith(" place_order plain text\n")
    assert "_aws" not in console.getvalue()


def test_without_a_console_the_readable_log_is_a_file(tmp_path: Path) -> None:
    with Logs(tmp_path, console=None) as logs:
        logs.info("ready")
        logs.debug("not wanted")
    assert (tmp_path / "stack.log").read_text().endswith(" runner INFO ready\n")


def test_the_runner_s_own_lines_are_in_a_file_whether_or_not_there_is_a_console(
    tmp_path: Path,
) -> None:
    with Logs(tmp_path, console=io.StringIO()) as logs:
        logs.error("no answer correlation_id=c-1")
    assert (tmp_path / "runner.log").read_text().endswith(" ERROR no answer correlation_id=c-1\n")


@pytest.mark.parametrize(
    "line",
    [
        rb'{"message": "\ud800"}',
        b'{"message": "failed", "stackTrace": 5}',
        b'{"message": "failed", "stackTrace": [1, {}]}',
        b'{"message": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"message": ' + b"9" * 5_000 + b"}",
        b'{"message": "\xff\xfe"}',
    ],
)
@pytest.mark.parametrize("has_console", [True, False])
def test_whatever_a_function_writes_the_lines_after_it_are_logged(
    tmp_path: Path, line: bytes, has_console: bool
) -> None:
    console = io.TextIOWrapper(io.BytesIO(), encoding="ascii") if has_console else None
    with Logs(tmp_path, console=console) as logs:
        logs.lines("place_order", [line])
        logs.error("half a pair: \ud800, and an é")
        logs.lines("get_order", [b"still here"])
    assert (tmp_path / "place_order.log").read_bytes() == line + b"\n"
    if console is None:
        shown = (tmp_path / "stack.log").read_bytes()
    else:
        console.seek(0)
        shown = console.read().encode()
    assert len(shown.splitlines()) == 3
    assert rb"runner ERROR half a pair: \ud800, and an" in shown
    assert shown.endswith(b" get_order still here\n")


def test_a_full_disk_is_told_once_and_the_log_goes_on_when_there_is_room(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write = CappedFile.write

    def full_of_these(file: CappedFile, data: bytes) -> None:
        if b"lost" in data:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(file, data)

    with patch.object(CappedFile, "write", full_of_these):
        logs = Logs(tmp_path, console=None)
        logs.lines("place_order", [b"lost"])
        logs.close()
        logs = Logs(tmp_path, console=None)
        logs.lines("place_order", [b"kept"])
        logs.close()
    assert (tmp_path / "place_order.log").read_text() == "kept\n"
    assert capfd.readouterr().err.count("No space left on device") == 1


def test_a_console_that_is_gone_does_not_end_the_log(tmp_path: Path) -> None:
    console = io.StringIO()
    console.close()
    with Logs(tmp_path, console=console, colour=False) as logs:
        logs.lines("place_order", [b"still here"])
    assert (tmp_path / "place_order.log").read_text() == "still here\n"


def test_a_file_that_has_grown_is_moved_aside(tmp_path: Path) -> None:
    for word in (b"first", b"second"):
        with Logs(tmp_path, console=None, max_bytes=8) as logs:
            logs.lines("place_order", [word])
    assert (tmp_path / "place_order.log").read_bytes() == b"second\n"
    assert (tmp_path / "place_order.log.1").read_bytes() == b"first\n"


def test_lines_are_whole_however_the_bytes_arrive() -> None:
    lines: list[bytes] = []
    splitter = LineSplitter(lines.extend)
    for part in (b"on", b"e\ntwo\n\nth", b"ree"):
        splitter.feed(part)
    assert lines == [b"one", b"two"]
    splitter.end()
    assert lines == [b"one", b"two", b"three"]
