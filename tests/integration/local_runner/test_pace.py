"""How often a feed asks for records: at once for one that comes alone, together where many come."""

from types import SimpleNamespace

import pytest

from infra.local.event_source.pace import (
    BUSY_PACE_SECONDS,
    IDLE_PACE_SECONDS,
    LONG_POLL_MS,
    LONGEST_PACE_SECONDS,
    Pace,
)


@pytest.mark.parametrize(
    ("gap", "found", "is_gathering"),
    [
        (BUSY_PACE_SECONDS / 2, 1, True),
        (BUSY_PACE_SECONDS * 1.1, 2, True),  # what came during the last wait
        (BUSY_PACE_SECONDS * 1.5, 1, False),
        (BUSY_PACE_SECONDS / 2, 500, False),  # a backlog needs no waiting
    ],
)
def test_records_in_quick_succession_are_waited_for(
    gap: float, found: int, *, is_gathering: bool
) -> None:
    times = iter([100.0, 100.0 + gap])
    pace = Pace(SimpleNamespace(value=lambda: float(LONG_POLL_MS)), times.__next__)
    assert pace.after(1) == 0.0  # the first after a while
    assert pace.after(found) == (BUSY_PACE_SECONDS if is_gathering else 0.0)
    assert pace.is_gathering == is_gathering


def test_a_broker_that_answers_at_once_is_asked_the_seldomer_the_longer_nothing_comes() -> None:
    now = 100.0
    pace = Pace(SimpleNamespace(value=lambda: 0.5), lambda: now)
    pace.after(1)
    waits = [pace.after(0) for _ in range(10)]
    assert waits[2:] == sorted(waits[2:])
    assert waits[-1] == LONGEST_PACE_SECONDS
    now += 1
    assert pace.after(0) == IDLE_PACE_SECONDS
    pace.after(1)
    assert pace.after(0) < LONGEST_PACE_SECONDS
