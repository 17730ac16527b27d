"""What breaks again and again is begun ever more slowly; what held is begun at once."""

import time

import pytest

from infra.local.backoff import STEADY_SECONDS, Restarts


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_pauses_double_up_to_the_longest(clock: list[float]) -> None:
    restarts = Restarts(1, 5)
    pauses = []
    for _ in range(5):
        restarts.begin()
        clock[0] += STEADY_SECONDS
        pauses.append(restarts.broke())
    assert pauses == [1, 2, 4, 5, 5]


def test_what_held_is_begun_again_after_the_first_pause(clock: list[float]) -> None:
    restarts = Restarts(1, 5)
    assert [restarts.broke(), restarts.broke()] == [1, 2]
    restarts.begin()
    clock[0] += STEADY_SECONDS + 1
    assert restarts.broke() == 1
