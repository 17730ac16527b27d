"""By hand: replace what a read model has of one order, or its sums, by what the log says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ordering.read_side.operation import (
    AuditedRequest,
    OperationError,
    ReadModelName,
    ReadModelOperation,
    Workshop,
)
from ordering.read_side.verifying import Verified, Verifier
from ordering.runtime.ids import order_id_of

if TYPE_CHECKING:
    from collections.abc import Mapping


class Repair(AuditedRequest):
    """Which order of which read model, or with ``sums`` its sums; in the live generation or one.

    Sums that are wrong though all shares are right are added up anew.
    """

    read_model: ReadModelName
    generation: int | None = None
    order_id: str | None = None
    sums: bool = False


def perform(workshop: Workshop, request: Repair) -> Mapping[str, Any]:
    """Repair, and compare again."""
    generation = workshop.generation(request.read_model, request.generation)
    verifier = Verifier(workshop.log, workshop.store(request.read_model), generation)
    order_id = order_id_of(request.order_id or "")
    if order_id is None and not request.sums:
        raise OperationError("order_id: name the order to repair, or set sums to true")
    workshop.record(request, read_model=request.read_model, order_id=order_id, sums=request.sums)
    verified = Verified()
    if order_id is not None:
        verifier.repair_orders([order_id])
        verifier.verify_orders([order_id], verified)
    if request.sums:
        verifier.repair_sums()
        verifier.verify_sums(verified)
    return {
        "read_model": request.read_model,
        "generation": generation.number,
        "differences": [difference._asdict() for difference in verified.differences],
    }


handler = ReadModelOperation(Repair, perform)
