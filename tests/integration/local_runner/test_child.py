"""Processes that the runner owns: sh stands for the servers."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from infra.local.logs import Logs
from infra.local.servers.child import Child, Launch, StartError
from tests.integration.local_runner.lambda_fixtures import until
from tests.shared import eventually

ROOT = Path(__file__).parents[3]


def a_launch(
    directory: Path,
    script: str,
    **changes: Any,  # noqa: ANN401 - any field of Launch
) -> Launch:
    fields: dict[str, Any] = {
        "log": directory / "part.log",
        "answers": lambda _pid: True,
        "stop_seconds": 0.5,
    }
    return Launch(("/bin/sh", "-c", script), **{**fields, **changes})


@contextlib.asynccontextmanager
async def a_child(
    directory: Path,
    script: str,
    **changes: Any,  # noqa: ANN401 - any field of Launch
) -> AsyncIterator[Child]:
    with Logs(directory / "logs", console=None) as logs:
        child = Child("the part", a_launch(directory, script, **changes), logs)
        await child.start()
        try:
            yield child
        finally:
            await child.stop()


def is_there(pid: int | None) -> bool:
    return pid is not None and psutil.pid_exists(pid)


def test_a_child_that_is_killed_is_started_again(tmp_path: Path) -> None:
    async def scenario() -> int | None:
        async with a_child(tmp_path, "sleep 60") as child:
            first = child.pid
            assert first is not None
            os.kill(first, signal.SIGKILL)
            await until(lambda: child.pid not in (None, first))
            assert is_there(child.pid)
            return child.pid

    last = asyncio.run(scenario())
    assert not is_there(last)
    assert "has died: killed by SIGKILL" in (tmp_path / "logs" / "stack.log").read_text()


def test_a_child_that_cannot_start_says_so_in_its_own_words(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with a_child(tmp_path, "echo no such option; exit 3", answers=lambda _pid: False):
            pass

    with pytest.raises(StartError, match=r"exit status 3[\s\S]*no such option"):
        asyncio.run(scenario())


def test_a_child_that_never_answers_is_ended(tmp_path: Path) -> None:
    pids = []

    def answers(pid: int) -> bool:
        pids.append(pid)
        return False

    async def scenario() -> None:
        async with a_child(tmp_path, "sleep 60", answers=answers, start_seconds=0.1):
            pass

    with pytest.raises(StartError, match="does not answer"):
        asyncio.run(scenario())
    assert not is_there(pids[0])


def test_a_child_that_does_not_want_to_stop_is_killed(tmp_path: Path) -> None:
    async def scenario() -> int | None:
        script = "trap '' TERM; echo trapped; while :; do sleep 0.05; done"
        async with a_child(tmp_path, script) as child:
            await until(lambda: "trapped" in (tmp_path / "part.log").read_text())
            return child.pid

    assert not is_there(asyncio.run(scenario()))


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="the death signal needs util-linux")
def test_a_child_ends_with_a_runner_that_is_killed(tmp_path: Path) -> None:
    program = f"""
import asyncio
from pathlib import Path
from typing import Any
from infra.local.servers.child import Child, Launch
from infra.local.logs import Logs

async def main():
    directory = Path({str(tmp_path)!r})
    launch = Launch(("/bin/sleep", "60"), log=directory / "part.log", answers=lambda _pid: True)
    child = Child("the part", launch, Logs(directory / "logs", console=None))
    await child.start()
    print(child.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as runner:
        assert runner.stdout is not None
        child = psutil.Process(int(runner.stdout.readline()))
        # By then it has asked to be ended with its runner; what a runner leaves that is killed
        # sooner, the next one ends.
        eventually(lambda: child.name() == "sleep")
        runner.kill()
    assert child.wait(5) is None or not child.is_running()
