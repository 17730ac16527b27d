"""The event log of the write side, from which read models are filled, and with which compared."""

from __future__ import annotations

import json
import secrets
import uuid
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ordering.delivery.published import PublishedEvent
from ordering.domain.recorded import parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from ordering.runtime.postgres import Database, Row

_EVENTS: Final = """
select e.order_id::text, e.version, e.type, e.schema_version, e.data::text, e.metadata,
  e.recorded_at
from order_events as e join ({orders}) as o using (order_id)
order by e.order_id, e.version
"""
_NAMED: Final = "select unnest(%(order_ids)s::uuid[]) as order_id"
_NEXT: Final = """
select order_id from orders where %(after)s is null or order_id > %(after)s::uuid
order by order_id limit %(limit)s
"""
_ENDS: Final = """
select (select order_id::text from orders order by order_id limit 1),
  (select order_id::text from orders order by order_id desc limit 1)
"""
_FOLLOWING: Final = """
select distinct next.order_id::text from unnest(%(points)s::uuid[]) as point, lateral (
  select order_id from orders where order_id >= point order by order_id limit 1
) as next
"""
# A count that is exact where it is cheap, and the planner's estimate where it is not.
_COUNT: Final = """
select case when counted.n < 200000 then counted.n else greatest(estimate.n, counted.n) end
from (select count(*) as n from (select from orders limit 200000) as first) as counted,
  (select reltuples::bigint as n from pg_class where oid = 'orders'::regclass) as estimate
"""


class LoggedEvent(NamedTuple):
    """One event as the log has it, not decoded yet."""

    order_id: str
    version: int
    event_type: str
    schema_version: int
    data: str
    metadata: Mapping[str, Any]
    time: datetime

    def read(self) -> PublishedEvent:
        """Return what a reader of the topic gets of it.

        Raises:
            ValueError: its type is not known, or its data does not fit.
        """
        recorded = parse(self.event_type, self.schema_version, json.loads(self.data))
        return PublishedEvent(
            order_id=self.order_id,
            version=self.version,
            time=self.time,
            actor=self.metadata.get("actor") or "",
            correlation_id=self.metadata.get("correlation_id") or "",
            traceparent=self.metadata.get("traceparent") or "",
            fact=recorded.fact,
            after=recorded.after,
        )


Histories = dict[str, list[LoggedEvent]]
"""Orders' events, each order's in the order of their versions."""


class EventLog:
    """Reads the log, each method in one round trip, if it does not say otherwise.

    Raises, with every method:
        DatabaseUnavailableError: the write database does not answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def next_orders(self, after: str | None, limit: int) -> Histories:
        """Return the events of the orders that follow ``after``, by order id."""
        return self._events(_NEXT, {"after": after, "limit": limit})

    def order_ids(self, after: str | None, limit: int) -> list[str]:
        """Return the ids of the orders that follow ``after``, in their order."""
        rows = self._database.rows(_NEXT, {"after": after, "limit": limit})
        return [order_id for (order_id,) in rows]

    def sample(self, size: int) -> list[str]:
        """Return the ids of so many orders at most, chosen by chance over the time of all orders.

        In two round trips.
        """
        ((first, last),) = self._database.rows(_ENDS)
        if first is None:
            return []
        begin = uuid.UUID(first).int
        ids = uuid.UUID(last).int - begin + 1
        points = [str(uuid.UUID(int=begin + secrets.randbelow(ids))) for _ in range(size)]
        rows = self._database.rows(_FOLLOWING, {"points": points})
        return [order_id for (order_id,) in rows]

    def of(self, order_ids: Iterable[str]) -> Histories:
        """Return the events of these orders; one that the log does not have is left out."""
        return self._events(_NAMED, {"order_ids": list(order_ids)})

    def count_orders(self) -> int:
        """Return how many orders there are, about."""
        ((count,),) = self._database.rows(_COUNT)
        return int(count)

    def _events(self, orders: str, parameters: Mapping[str, object]) -> Histories:
        rows = self._database.rows(_EVENTS.format(orders=orders), parameters)
        return {order_id: _logged(found) for order_id, found in groupby(rows, lambda row: row[0])}


def _logged(rows: Iterable[Row]) -> list[LoggedEvent]:
    return [LoggedEvent(*row) for row in rows]
