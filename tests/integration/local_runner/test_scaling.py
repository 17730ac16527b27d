"""When there are to be more environments, and which one makes way for them."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING, cast

import pytest

from infra.local.lambdas.machine import Machine
from infra.local.lambdas.scaling import LOOK_SECONDS, Scaling
from infra.local.settings import Settings

if TYPE_CHECKING:
    from infra.local.lambdas.environment import Environment


def a_queue(*, start_seconds: float = 0.5) -> Scaling:
    scaling = Scaling()
    scaling.start_seconds = start_seconds
    scaling.queue_began(0.0)
    return scaling


def test_a_queue_that_does_not_move_gets_as_many_as_can_be_started() -> None:
    assert a_queue().more(1, LOOK_SECONDS, at_once=2) == 2


def test_a_queue_that_is_gone_before_another_one_were_ready_gets_none() -> None:
    scaling = a_queue()
    scaling.taken = 10
    assert scaling.more(49, LOOK_SECONDS, at_once=2) == 0
    scaling.taken = 10
    assert scaling.more(51, 2 * LOOK_SECONDS, at_once=2) == 2


def test_a_queue_that_lasts_for_as_long_as_a_start_takes_gets_one_and_then_another() -> None:
    scaling = a_queue(start_seconds=3 * LOOK_SECONDS)
    started = []
    for look in range(1, 10):
        scaling.taken = 10
        started.append(scaling.more(2, (look + 0.5) * LOOK_SECONDS, at_once=2))
    assert started == [0, 0, 1, 0, 0, 0, 1, 0, 0]


class Unused:
    """A free environment and, in one, the pool that it is in."""

    def __init__(self, last_used: float) -> None:
        self.last_used = last_used
        self.ended = False

    @property
    def least_recently_used(self) -> Environment | None:
        return None if self.ended else cast("Environment", self)

    def shut_down(self) -> None:
        self.ended = True


def test_without_room_the_environment_unused_for_longest_makes_way() -> None:
    machine = Machine(10)
    older, newer = Unused(1.0), Unused(2.0)
    machine.pools = (newer, older)
    assert machine.has_room(9)
    machine.environments = 10
    assert machine.has_room(9)
    assert (older.ended, newer.ended) == (True, False)
    assert machine.has_room(9)
    assert not machine.has_room(9)
    assert machine.has_room(3), "a few each function may always have"


def test_files_may_be_opened_for_every_environment() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
        Machine(100).allow_files()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (min(1800, before[1]), before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize(("gigabytes", "expected"), [(24, 273), (2, 22), (0.5, 16), (512, 1000)])
def test_half_of_the_memory_is_for_environments(
    gigabytes: float, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = {"SC_PHYS_PAGES": int(gigabytes * 2**18), "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr("infra.local.settings.os.sysconf", sizes.get)
    monkeypatch.setattr("infra.local.settings._MEMORY_LIMITS", ())
    settings = Settings()
    assert settings.max_environments == expected
    assert settings.max_connections > expected
