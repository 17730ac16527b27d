"""A stack that does not start says why, and where there is more to read."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest

from infra.local.event_source.records import SourceError
from infra.local.run_stack import run, start_detached
from infra.local.servers.child import StartError
from infra.local.settings import Settings
from infra.local.stack import Stack

if TYPE_CHECKING:
    from pathlib import Path


def start_failing(state: Path, error: Exception) -> tuple[int, str]:
    """Run a stack of which a part fails so; returns the exit status and what the user sees."""
    shown = io.StringIO()
    with patch.object(Stack, "start", side_effect=error):
        status = run(
            Settings(state_dir=state), progress_out=shown, console=io.StringIO(), colour=False
        )
    return status, shown.getvalue()


@pytest.mark.parametrize("kind", [StartError, SourceError])
def test_a_part_that_cannot_start_is_named_with_the_place_of_the_logs(
    tmp_path: Path, kind: type[Exception]
) -> None:
    assert start_failing(tmp_path, kind("not today")) == (
        1,
        f"✗ not today\n  every part's log is in {tmp_path}/logs\n",
    )


def test_what_nobody_has_foreseen_is_told_too_and_leaves_a_traceback(tmp_path: Path) -> None:
    shown = io.StringIO()
    with (
        patch.object(Stack, "start", side_effect=OSError("Too many open files")),
        pytest.raises(OSError, match="Too many open files"),
    ):
        run(Settings(state_dir=tmp_path), progress_out=shown, console=None, colour=False)
    assert shown.getvalue().startswith("✗ OSError: Too many open files\n")
    assert f"{tmp_path}/logs" in shown.getvalue()


def test_a_detached_runner_that_dies_without_a_word_leads_to_its_log(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert start_detached(Settings(state_dir=tmp_path), ["--no-such-option"]) == 2
    log = tmp_path / "logs" / "stack.log"
    assert capfd.readouterr().err == (
        f"the stack ended before it was ready (exit status 2); its log is {log}\n"
    )
    assert "--no-such-option" in log.read_text()


def test_a_detached_runner_that_says_why_is_not_talked_over(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = [f"--state-dir={tmp_path}", "--kafka=nonsense"]
    assert start_detached(Settings(state_dir=tmp_path), arguments) == 1
    output = capfd.readouterr()
    assert "✗ KAFKA=nonsense is not one of" in output.out
    assert output.err == ""


def test_a_state_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    occupied = tmp_path / "file"
    occupied.touch()
    with pytest.raises(StartError, match=f"no log can be written: .*{occupied}"):
        start_detached(Settings(state_dir=occupied), [])
    assert start_failing(occupied, StartError("never"))[1].startswith("✗ no log can be written")
