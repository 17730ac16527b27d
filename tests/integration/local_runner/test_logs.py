"""Logs are readable on the console, whole in the files, and bounded."""

import io
import json
from pathlib import Path

from infra.local.logs import LineSplitter, Logs, readable


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


def test_metrics_are_only_in_the_file(tmp_path: Path) -> None:
    metrics = b'{"_aws": {"Timestamp": 1}, "Orders": 1}'
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
