"""By hand: apply parked events again: of one order, of one error, or all."""

from __future__ import annotations

import time
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from ordering.read_side.operation import (
    AuditedRequest,
    OperationError,
    ReadModelName,
    ReadModelOperation,
    Workshop,
    read_model_named,
)
from ordering.read_side.refolding import Refolder
from ordering.runtime.ids import order_id_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_ORDERS: Final = 50
"""So many orders are retried at a time; projectors of the read model wait meanwhile."""
# Postgres orders uuids as their texts.
_PARKED: Final = """
select distinct read_model, generation, order_id::text from parked_events as p
where order_id is not null and (%(read_model)s is null or read_model = %(read_model)s)
  and (%(order_id)s is null or order_id = %(order_id)s::uuid)
  and (%(error)s is null or exists (
    select from parked_events as e where e.read_model = p.read_model
      and e.generation = p.generation and e.order_id = p.order_id
      and position(%(error)s in e.error) > 0
  ))
order by read_model, generation, order_id
"""


class RetryParked(AuditedRequest):
    """Which orders: one, those with a text in their error, or with ``all`` all of them."""

    read_model: ReadModelName | None = None
    order_id: str | None = None
    error: str | None = None
    all: bool = False


def perform(workshop: Workshop, request: RetryParked) -> Mapping[str, Any]:
    """Fold the orders anew from the log, which applies upcasters; say what is parked still."""
    order_id = order_id_of(request.order_id or "")
    if request.order_id is not None and order_id is None:
        raise OperationError(f"order_id: {request.order_id!r} is no order id")
    if order_id is None and request.error is None and not request.all:
        raise OperationError("order_id, error, all: say which orders to retry")
    if request.read_model is not None:
        read_model_named(request.read_model)
    chosen = {"read_model": request.read_model, "order_id": order_id, "error": request.error}
    workshop.record(request, **chosen)
    rows = workshop.read.rows(_PARKED, chosen)
    retried = 0
    failures: list[dict[str, Any]] = []
    for (name, number), group in groupby(rows, lambda row: (row[0], row[1])):
        refolder = Refolder(workshop.log, workshop.store(name), workshop.generation(name, number))
        order_ids = [row[2] for row in group]
        for first in range(0, len(order_ids), _ORDERS):
            if time.monotonic() >= workshop.until:
                break
            some = order_ids[first : first + _ORDERS]
            failed = refolder.refold(some).failures
            retried += len(some)
            failures += [
                {"read_model": name, "generation": number, "order_id": i, "error": error}
                for i, error in failed.items()
            ]
    return {"retried": retried, "left": len(rows) - retried, "failures": failures}


handler = ReadModelOperation(RetryParked, perform)
