"""Each hour, and by hand: compare read models with a fresh fold of the log."""

from __future__ import annotations

import time
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
from ordering.read_side.query import READ_MODELS
from ordering.read_side.verifying import Verified, Verifier
from ordering.runtime.observability import Measure, log_event

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordering.read_side.generations import Generation

_ORDERS: Final = 200
"""So many orders are compared at a time."""


class Verify(Value):
    """Which read model, all without one, and which generation, else the live one.

    ``sample`` compares at most so many orders, chosen by chance; without it all are, and the sums
    too. A read model that is not complete goes on, named, ``after`` the last order of its answer.
    """

    read_model: ReadModelName | None = None
    generation: int | None = None
    sample: Annotated[int, Field(ge=1, le=10_000)] | None = None
    after: str | None = None


def perform(workshop: Workshop, request: Verify) -> Mapping[str, Any]:
    """Compare; each order that differs is named, with what differs."""
    if request.after is not None and request.read_model is None:
        raise OperationError("read_model: name the one to go on with after that order")
    names = READ_MODELS if request.read_model is None else (request.read_model,)
    told: list[dict[str, Any]] = []
    for name in names:
        read_model_named(name)
        if request.read_model is None and not any(g.is_live for g in workshop.generations(name)):
            continue  # it is filled for the first time
        generation = workshop.generation(name, request.generation)
        told.append(_verify(workshop, request, name, generation))
    return {"differing": sum(each["differing"] for each in told), "read_models": told}


def _verify(
    workshop: Workshop, request: Verify, name: str, generation: Generation
) -> dict[str, Any]:
    verifier = Verifier(workshop.log, workshop.store(name), generation)
    verified = Verified()
    after = request.after if request.sample is None else None
    is_complete = request.sample is not None
    if request.sample is not None:
        verifier.verify_sample(request.sample, verified)
    while not is_complete and time.monotonic() < workshop.until:
        after = verifier.verify_next(after, _ORDERS, verified)
        if is_complete := after is None:
            verifier.verify_sums(verified)
    log_event(
        "compared with a fresh fold",
        Measure("OrdersVerified", verified.orders),
        Measure("OrdersDiffering", verified.differing),
        level="ERROR" if verified.differing else "INFO",
        read_model=name,
        differences=[difference.where for difference in verified.differences],
    )
    return {
        "read_model": name,
        "generation": generation.number,
        "orders": verified.orders,
        "parked": verified.parked,
        "differing": verified.differing,
        "differences": [difference._asdict() for difference in verified.differences],
        "is_complete": is_complete,
        "after": after,
    }


handler = ReadModelOperation(Verify, perform)
