"""By hand: pass over a parked event for good, with a reason, and apply what waits behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ordering.read_side.operation import (
    RECORD,
    AuditedRequest,
    OperationError,
    ReadModelName,
    ReadModelOperation,
    Workshop,
    recorded,
)
from ordering.read_side.refolding import Refolder

if TYPE_CHECKING:
    from collections.abc import Mapping

_PARKED: Final = """
select generation, order_id::text, version, error is not null from parked_events
where id = %(id)s and read_model = %(read_model)s
"""
# Every fold of the order passes over it from now on, that of a new generation too.
_DISCARD: Final = (
    RECORD
    + """;
insert into discarded_events (read_model, order_id, version, who, reason)
values (%(read_model)s, %(order_id)s, %(version)s, %(who)s, %(reason)s)
on conflict do nothing
"""
)
_FORGET: Final = (
    RECORD
    + """;
delete from parked_events where id = %(id)s
"""
)


class DiscardParked(AuditedRequest):
    """Which event, by the ``id`` that it is listed with."""

    read_model: ReadModelName
    id: int


def perform(workshop: Workshop, request: DiscardParked) -> Mapping[str, Any]:
    """Discard it; one that is parked no more is done with."""
    rows = workshop.read.rows(_PARKED, {"id": request.id, "read_model": request.read_model})
    if not rows:
        return {"discarded": False, "failures": {}}
    ((number, order_id, version, is_poison),) = rows
    if not is_poison:
        raise OperationError(f"id: {request.id} waits behind another event; discard or retry that")
    names: dict[str, Any] = {
        "read_model": request.read_model,
        "order_id": order_id,
        "version": version,
        "id": request.id,
    }
    if version == 1:
        raise OperationError(f"id: {request.id} is its order's first event: none follows without")
    # A record without version is none of the log's events: it alone is passed over.
    statement = _FORGET if version is None else _DISCARD
    workshop.read.rows(statement, {**recorded(request, **names), **names})
    if order_id is None:
        return {"discarded": True, "failures": {}}
    generation = workshop.generation(request.read_model, number)
    refolder = Refolder(workshop.log, workshop.store(request.read_model), generation)
    return {"discarded": True, "failures": refolder.refold([order_id]).failures}


handler = ReadModelOperation(DiscardParked, perform)
