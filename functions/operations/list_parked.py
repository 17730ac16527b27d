"""By hand: the orders that are parked, since when and why, and of one order its events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import Field

from ordering.domain.values import Value
from ordering.read_side.operation import (
    OperationError,
    ReadModelName,
    ReadModelOperation,
    Workshop,
    read_model_named,
)
from ordering.runtime.ids import order_id_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_ORDERS: Final = """
select p.read_model, p.generation, g.state, p.order_id::text, min(p.id) as id, min(p.parked_at),
  (array_agg(p.version order by p.id))[1], (array_agg(p.event_type order by p.id))[1],
  (array_agg(p.error order by p.id))[1], count(*) - 1
from parked_events as p join generations as g using (read_model, generation)
where (%(read_model)s is null or p.read_model = %(read_model)s)
group by p.read_model, p.generation, g.state, p.order_id, case when p.order_id is null then p.id end
order by min(p.parked_at) limit %(limit)s
"""
_EVENTS: Final = """
select read_model, generation, id, version, event_type, partition, record_offset,
  encode(record, 'escape'), error, parked_at
from parked_events
where order_id = %(order_id)s::uuid and (%(read_model)s is null or read_model = %(read_model)s)
order by read_model, generation, id limit %(limit)s
"""
_ORDER_FIELDS: Final = (
    *("read_model", "generation", "state", "order_id", "id", "since"),
    *("version", "event_type", "error", "waiting"),
)
_EVENT_FIELDS: Final = (
    *("read_model", "generation", "id", "version", "event_type", "partition", "offset"),
    *("record", "error", "since"),
)


class ListParked(Value):
    """Of which read model, all without one; with ``order_id`` that order's parked events."""

    read_model: ReadModelName | None = None
    order_id: str | None = None
    limit: Annotated[int, Field(ge=1, le=1_000)] = 100


def perform(workshop: Workshop, request: ListParked) -> Mapping[str, Any]:
    """List the oldest first. An order without id is a record that is nobody's."""
    if request.read_model is not None:
        read_model_named(request.read_model)
    about: dict[str, object] = {"read_model": request.read_model, "limit": request.limit}
    if request.order_id is None:
        rows = workshop.read.rows(_ORDERS, about)
        return {"orders": [_item(_ORDER_FIELDS, row) for row in rows]}
    order_id = order_id_of(request.order_id)
    if order_id is None:
        raise OperationError(f"order_id: {request.order_id!r} is no order id")
    rows = workshop.read.rows(_EVENTS, about | {"order_id": order_id})
    return {"events": [_item(_EVENT_FIELDS, row) for row in rows]}


def _item(names: tuple[str, ...], row: tuple[Any, ...]) -> dict[str, Any]:
    item = dict(zip(names, row, strict=True))
    return item | {"since": item["since"].isoformat()}


handler = ReadModelOperation(ListParked, perform)
