"""Orders folded anew from the log, in one generation: the fill, repair and retry.

What a generation has of an order is replaced by a fresh fold of all of its events. If that ends
early, the order is parked at the event that ends it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ordering.runtime.postgres import DatabaseUnavailableError

from .folding import OrderRow, fold_all
from .parking import Parked, describe_error
from .store import Also, ConflictError, Write

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from datetime import datetime

    from .generations import Generation
    from .log import EventLog, Histories, LoggedEvent
    from .store import ReadModelStore

ResultT = TypeVar("ResultT")
_ATTEMPTS: Final = 10

_NOTED: Final = """
select 'parked', id::text, order_id::text, version, parked_at from parked_events
where read_model = %(read_model)s and generation = %(generation)s
  and order_id = any(%(order_ids)s::uuid[])
union all
select 'behind', xmin::text, order_id::text, null, null from orders_behind
where read_model = %(read_model)s and generation = %(generation)s
  and order_id = any(%(order_ids)s::uuid[])
union all
select 'discarded', null, order_id::text, version, null from discarded_events
where read_model = %(read_model)s and order_id = any(%(order_ids)s::uuid[])
"""
_UNPARK: Final = "delete from parked_events where id = any(%(unparked)s::bigint[])"
# Had another event come to wait behind them meanwhile, it would wait for ever.
_STILL_WAITING: Final = """(
  select count(*) from parked_events where read_model = %(read_model)s
    and generation = %(of_generation)s and order_id = any(%(unparked_orders)s::uuid[])
)"""
# A note that was made again since it was read stays.
_CAUGHT_UP: Final = """
caught_up as (
  delete from orders_behind as b
  using unnest(%(caught_up)s::uuid[], %(notes)s::text[]) as n (order_id, stamp)
  where b.read_model = %(read_model)s and b.generation = %(of_generation)s
    and b.order_id = n.order_id and b.xmin::text = n.stamp
)"""


@dataclass
class _Noted:
    """What is noted of some orders in a generation."""

    parked: dict[str, list[tuple[str, int | None, datetime]]]
    behind: dict[str, str]
    discarded: dict[str, set[int]]


@dataclass(frozen=True)
class Refolded:
    """What became of orders that were folded anew."""

    orders: int
    events: int
    failures: dict[str, str]
    """The errors of those that are parked, by order id."""


class Refolder:
    """Folds orders of one generation anew."""

    def __init__(self, log: EventLog, store: ReadModelStore, generation: Generation) -> None:
        self.log = log
        self.store = store
        self.generation = generation
        self._revision = store.read_model.revisions[generation.revision]

    def refold(self, order_ids: Collection[str]) -> Refolded:
        """Replace what there is of these orders; they are neither parked nor behind any more.

        Of an order that the log does not have, the row goes, and what is parked stays.

        Raises:
            DatabaseUnavailableError: a database does not answer, or other writers are always
                faster.
        """
        return attempt(lambda: self._refold(order_ids))

    def _refold(self, order_ids: Collection[str]) -> Refolded:
        # In this order: what is noted by now is in the log by now.
        found = self.store.load(order_ids, self.generation.number)
        noted = self._noted(order_ids)
        histories = self.log.of(order_ids)
        write = Write(found)
        refolded = self.fold_into(write, order_ids, histories, noted.discarded, noted.parked)
        unparked = {i: noted.parked[i] for i in noted.parked if i in histories}
        parameters: dict[str, Any] = {
            "of_generation": self.generation.number,
            "caught_up": list(noted.behind),
            "notes": list(noted.behind.values()),
            "unparked": [int(number) for rows in unparked.values() for number, *_ in rows],
            "unparked_orders": list(unparked),
        }
        write.also.append(Also(_CAUGHT_UP, parameters))
        if unparked:
            write.before = _UNPARK
            write.is_alone = True
            write.also.append(Also("", parameters, rows_written=_STILL_WAITING, expected=0))
        self.store.write_all(write, self.refuse(write, histories, refolded))
        return refolded

    def fold_into(
        self,
        write: Write,
        order_ids: Iterable[str],
        histories: Histories,
        discarded: Mapping[str, Collection[int]],
        parked: Mapping[str, list[tuple[str, int | None, datetime]]],
    ) -> Refolded:
        """Fold orders' events, and put what becomes of them into ``write``."""
        number = self.generation.number
        failures: dict[str, str] = {}
        orders = events = 0
        for order_id in order_ids:
            known = write.found.orders[number].get(order_id)
            row = known.anew() if known else OrderRow()
            history = histories.get(order_id, [])
            failure = fold_all(row, self._revision, history, discarded.get(order_id, ()))
            if failure is not None:
                failures[order_id] = describe_error(failure.error)
                since = {version: at for _, version, at in parked.get(order_id, [])}
                self._park(write, history[failure.position :], failures[order_id], since)
            if known is not None or row.document is not None:
                write.changed[number][order_id] = row
            orders += 1
            events += len(history)
        return Refolded(orders, events, failures)

    def _park(
        self,
        write: Write,
        events: Iterable[LoggedEvent],
        error: str | None,
        since: Mapping[int | None, datetime],
    ) -> None:
        for event in events:
            at = since.get(event.version)
            write.parked.append(
                Parked(
                    generation=self.generation.number,
                    order_id=event.order_id,
                    customer_id=None,
                    version=event.version,
                    event_type=event.event_type,
                    error=error,
                    record=event.data.encode(),
                    parked_at=None if at is None else at.isoformat(),
                )
            )
            error = None

    def refuse(
        self, write: Write, histories: Histories, refolded: Refolded
    ) -> Callable[[int, str, Exception], None]:
        """Return what parks an order that PostgreSQL refuses, for ``ReadModelStore.write_all``."""

        def refused(_: int, order_id: str, error: Exception) -> None:
            refolded.failures[order_id] = describe_error(error)
            write.parked = [p for p in write.parked if p.order_id != order_id]
            self._park(write, histories[order_id], refolded.failures[order_id], {})

        return refused

    def discarded(self, order_ids: Iterable[str]) -> Mapping[str, Collection[int]]:
        """Return the versions of these orders that were discarded."""
        return self._noted(order_ids).discarded

    def _noted(self, order_ids: Iterable[str]) -> _Noted:
        noted = _Noted({}, {}, {})
        parameters = {
            "read_model": self.store.read_model.name,
            "generation": self.generation.number,
            "order_ids": list(order_ids),
        }
        for kind, text, order_id, version, at in self.store.database.rows(_NOTED, parameters):
            if kind == "parked":
                noted.parked.setdefault(order_id, []).append((text, version, at))
            elif kind == "behind":
                noted.behind[order_id] = text
            else:
                noted.discarded.setdefault(order_id, set()).add(version)
        return noted


def attempt(action: Callable[[], ResultT]) -> ResultT:
    """Do it until no other writer is faster.

    Raises:
        DatabaseUnavailableError: one always is, or a database does not answer.
    """
    for _ in range(_ATTEMPTS):
        try:
            return action()
        except ConflictError as error:
            conflict = error
    raise DatabaseUnavailableError(str(conflict)) from conflict
