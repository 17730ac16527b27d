"""Fills a generation that is being built from the log, beside the projectors, until it can be live.

The log is passed through once, in the order of the orders' ids, a chunk at a time; what a chunk
gives and how far it comes is written together, so that a fill that was killed goes on where it was.
Orders of which a projector has meanwhile all that the log has are left to it. Having some of it is
not enough: what is delivered again may be the first events of an order, whose later ones were
delivered before the generation began. Orders that are noted as behind are folded anew at the end,
again and again until none is left.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .folding import OrderRow
from .generations import BUILDING, SECONDS_LEFT, Generation
from .refolding import Refolder, attempt
from .store import Also, ConflictError, Write

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .log import EventLog, LoggedEvent
    from .store import Found, ReadModelStore

_ORDERS: Final = 200
"""So many orders are read, folded and written at a time."""

_STATE: Final = """
select generation, revision, state, filled_to::text, filled_at is not null, orders_expected,
  orders_filled, events_filled, filling_seconds, events_per_second, (
    select count(*) from orders_behind as b
    where b.read_model = g.read_model and b.generation = g.generation
  ), (
    select count(distinct order_id) from parked_events as p
    where p.read_model = g.read_model and p.generation = g.generation
  ), {seconds_left}
from generations as g where read_model = %(read_model)s and generation = %(generation)s
"""
# Two fills at once: the one whose chunk the other has passed writes nothing.
_PASSED: Final = """
passed as (
  update generations set filled_to = %(filled_to)s, orders_filled = orders_filled + %(orders)s,
    events_filled = events_filled + %(events)s, filling_seconds = filling_seconds + %(seconds)s
  where read_model = %(read_model)s and generation = %(of_generation)s
    and filled_to is not distinct from %(filled_from)s::uuid
  returning 1
)"""
_EXPECT: Final = """
update generations set orders_expected = %(orders)s
where read_model = %(read_model)s and generation = %(generation)s
"""
_FILLED: Final = """
update generations set filled_at = coalesce(filled_at, clock_timestamp())
where read_model = %(read_model)s and generation = %(generation)s
"""
_ANALYZE: Final = "select analyze_generation(%(read_model)s, %(generation)s)"
_BEHIND: Final = """
select order_id::text from orders_behind
where read_model = %(read_model)s and generation = %(generation)s
order by noted_at limit %(limit)s
"""


@dataclass(frozen=True)
class Progress:
    """How far a generation is filled."""

    generation: int
    revision: int
    state: str
    filled_to: str | None
    is_filled: bool
    """Whether the log has been passed through; orders may be behind all the same."""
    orders_expected: int | None
    orders_filled: int
    events_filled: int
    filling_seconds: float
    events_per_second: int
    """The most that the fill reads."""
    behind: int
    parked: int
    seconds_left: float | None
    """How long it will take at the speed so far; None: not known."""

    @property
    def is_ready(self) -> bool:
        """Whether queries could read it by now."""
        return self.is_filled and self.behind == 0


class Filler:
    """Fills one generation."""

    def __init__(
        self,
        log: EventLog,
        store: ReadModelStore,
        generation: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._log = log
        self._store = store
        self._generation = generation
        self._names = {"read_model": store.read_model.name, "generation": generation}
        self._clock = clock
        self._sleep = sleep

    def progress(self) -> Progress:
        """Return how far it is.

        Raises:
            LookupError: there is no such generation.
            DatabaseUnavailableError: the read database does not answer.
        """
        for row in self._store.database.rows(_STATE.format(seconds_left=SECONDS_LEFT), self._names):
            return Progress(*row)
        raise LookupError(f"{self._names['read_model']} has no generation {self._generation}")

    def run(self, until: float) -> Progress:
        """Go on filling until that moment of the clock at most; return how far it has come.

        Raises:
            DatabaseUnavailableError: a database does not answer; what is filled is kept.
        """
        progress = self.progress()
        if progress.state == BUILDING and progress.orders_expected is None:
            self._store.database.rows(_EXPECT, self._names | {"orders": self._log.count_orders()})
        while not progress.is_filled and self._clock() < until:
            self._pass_chunk(progress)
            progress = self.progress()
        if progress.is_filled:
            self.catch_up(until)
        return self.progress()

    def catch_up(self, until: float) -> None:
        """Fold the orders that are behind anew, until none is or the moment has come."""
        refolder = self._refolder(self.progress())
        while self._clock() < until:
            rows = self._store.database.rows(_BEHIND, self._names | {"limit": _ORDERS})
            if not rows:
                return
            refolder.refold([order_id for (order_id,) in rows])

    def _pass_chunk(self, progress: Progress) -> None:
        began = self._clock()
        histories = self._log.next_orders(progress.filled_to, _ORDERS)
        if not histories:
            self._store.database.rows(_ANALYZE, self._names)
            self._store.database.rows(_FILLED, self._names)
            return
        events = sum(map(len, histories.values()))
        refolder = self._refolder(progress)

        def write_chunk() -> None:
            found = self._store.load(histories, progress.generation)
            lacking = [i for i in histories if _lacks(found, progress.generation, histories[i])]
            discarded = refolder.discarded(lacking)
            write = Write(found)
            refolded = refolder.fold_into(write, lacking, histories, discarded, {})
            shortest = events / progress.events_per_second
            parameters: dict[str, Any] = {
                "of_generation": progress.generation,
                "filled_from": progress.filled_to,
                "filled_to": max(histories),
                "orders": len(histories),
                "events": events,
                "seconds": max(self._clock() - began, shortest),
            }
            passed = "(select count(*) from passed)"
            write.also.append(Also(_PASSED, parameters, rows_written=passed, expected=1))
            self._store.write_all(write, refolder.refuse(write, histories, refolded))

        try:
            write_chunk()
        except ConflictError:
            attempt(lambda: write_chunk() if self._is_next(progress) else None)
        self._sleep(max(0.0, events / progress.events_per_second - (self._clock() - began)))

    def _is_next(self, progress: Progress) -> bool:
        """Return whether no other fill has come further meanwhile."""
        return self.progress().filled_to == progress.filled_to

    def _refolder(self, progress: Progress) -> Refolder:
        generation = Generation(progress.generation, progress.revision, progress.state)
        return Refolder(self._log, self._store, generation)


def _lacks(found: Found, generation: int, events: Sequence[LoggedEvent]) -> bool:
    """Return whether the generation has not all of an order's events, nor has parked them."""
    order_id = events[0].order_id
    row = found.orders[generation].get(order_id) or OrderRow()
    return row.version < events[-1].version and (generation, order_id) not in found.parked
