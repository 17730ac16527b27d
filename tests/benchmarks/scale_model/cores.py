"""Processor cores that all work on one machine shares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import simpy

if TYPE_CHECKING:
    from collections.abc import Generator

_SLICE_SECONDS: Final = 0.001


class Cores:
    """Cores that serve their jobs by turns, a slice of time each, as an operating system does."""

    def __init__(self, world: simpy.Environment, number: int) -> None:
        self._world = world
        self._cores = simpy.Resource(world, number)

    def work(self, seconds: float) -> Generator[simpy.Event, Any, None]:
        """Take so much processor time; used with ``yield from``."""
        while seconds > 0:
            with self._cores.request() as turn:
                yield turn
                now = min(seconds, _SLICE_SECONDS)
                yield self._world.timeout(now)
                seconds -= now
