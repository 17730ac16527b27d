"""By hand: let queries read another generation of a read model, the new one or the one before."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any, Final

import psycopg2
from pydantic import Field

from ordering.read_side.filling import Filler
from ordering.read_side.operation import (
    RECORD,
    AuditedRequest,
    OperationError,
    ReadModelName,
    ReadModelOperation,
    Workshop,
    recorded,
)
from ordering.runtime.postgres import DatabaseUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordering.read_side.generations import Generation

# Whoever waits for the views' lock has everybody behind it who comes later: it gives up soon and
# tries again, so that a long query holds up no others.
_SWITCH: Final = f"""
select set_config('lock_timeout', '250ms', true);
{RECORD};
select switch_generation(%(read_model)s, %(generation)s)
"""
_PAUSE_SECONDS: Final = 0.5


class Switch(AuditedRequest):
    """Which read model, and to which generation; none: the one that is being built.

    It is tried for so many ``seconds``, against queries that run long and orders that come behind.
    """

    read_model: ReadModelName
    generation: int | None = None
    seconds: Annotated[float, Field(gt=0, le=600)] = 60


def perform(workshop: Workshop, request: Switch) -> Mapping[str, Any]:
    """Switch; the generation that was live goes on to be written, so that one can switch back."""
    generations = workshop.generations(request.read_model)
    chosen = _chosen(request, generations)
    before = next((g.number for g in generations if g.is_live), None)
    names = {"read_model": request.read_model, "generation": chosen}
    if before != chosen:
        generation = workshop.generation(request.read_model, chosen)
        filler = Filler(workshop.log, workshop.store(request.read_model), generation.number)
        until = min(workshop.until, time.monotonic() + request.seconds)
        while (why := _switch(workshop, request, names)) is not None:
            if time.monotonic() >= until:
                raise OperationError(f"generation: {chosen} cannot be live: {why}")
            if filler.progress().is_filled:
                filler.catch_up(until)
            time.sleep(_PAUSE_SECONDS)
    return {**names, "before": before}


def _chosen(request: Switch, generations: list[Generation]) -> int:
    if request.generation is not None:
        if request.generation not in {g.number for g in generations}:
            raise OperationError(f"generation: there is no {request.generation}")
        return request.generation
    for generation in generations:
        if generation.state == "building":
            return generation.number
    raise OperationError("generation: none is being built; name the one to switch to")


def _switch(workshop: Workshop, request: Switch, names: Mapping[str, object]) -> str | None:
    """Try to switch; return why that is not possible now, None: it is done."""
    try:
        workshop.read.rows(_SWITCH, {**recorded(request, **names), **names})
    except psycopg2.errors.ObjectNotInPrerequisiteState as error:
        return error.diag.message_primary
    except DatabaseUnavailableError as error:
        if isinstance(error.__cause__, psycopg2.errors.LockNotAvailable):
            return "a query that runs long holds the view"
        raise
    return None


handler = ReadModelOperation(Switch, perform)
