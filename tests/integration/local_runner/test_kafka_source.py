"""A mapping begins, breaks and begins again, and closes."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Any

import pytest

from infra.local.event_source import pollers, retry, source
from tests.integration.local_runner.event_source_stage import FAILED, P0, Stage, failing, play


@pytest.fixture(autouse=True)
def _short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_BACKOFF_SECONDS", 0.002)
    monkeypatch.setattr(retry, "LONGEST_BACKOFF_SECONDS", 0.01)


@pytest.mark.parametrize("broken", ["compose", "PartitionRetry"])
def test_a_poller_that_breaks_begins_again_at_the_group_s_positions(
    broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = getattr(pollers, broken)
    problems = [RuntimeError("unforeseen"), RuntimeError("and again")]

    def breaks(*given: Any, **named: Any) -> Any:  # noqa: ANN401 - stands for either
        if problems:
            raise problems.pop()
        return real(*given, **named)

    monkeypatch.setattr(pollers, broken, breaks)
    monkeypatch.setattr(source, "FIRST_RESTART_SECONDS", 0.001)

    async def scene(stage: Stage) -> None:
        for begun in (1, 2, 3):
            await stage.until(partial(stage.feed.has_opened, begun))
            stage.feed.give(P0, 0, 1)
        await stage.committed(P0, 2)
        stage.feed.give(P0, 2)
        await stage.committed(P0, 3)

    stage = play(scene, answer=failing(3 if broken == "PartitionRetry" else 0))

    assert [("order-details" in line, "unforeseen" in line) for line in stage.errors] == [
        (True, False),
        (True, True),
    ]


def test_closing_lets_an_invocation_end_and_commits_it() -> None:
    async def scene(stage: Stage) -> None:
        stage.function.open.clear()
        stage.feed.give(P0, 0)
        await stage.until(lambda: stage.function.running)
        asyncio.get_running_loop().call_later(0.02, stage.function.open.set)

    async def scene_and_close(stage: Stage) -> None:
        await scene(stage)
        await stage.source.close()
        assert stage.feed.committed == {P0: 1}

    play(scene_and_close)


def test_closing_does_not_wait_for_a_batch_that_keeps_failing() -> None:
    async def scene(stage: Stage) -> None:
        stage.feed.give(P0, 0)
        await stage.until(lambda: len(stage.function.events) > 2)
        began = time.monotonic()
        await stage.source.close()
        assert time.monotonic() - began < 1.5  # two seconds is what others get
        assert stage.feed.committed == {}

    play(scene, answer=lambda _: FAILED)


def test_a_mapping_that_is_not_enabled_does_nothing() -> None:
    async def scene(stage: Stage) -> None:
        assert not hasattr(stage.feed, "deliver")

    play(scene, enabled=False)
