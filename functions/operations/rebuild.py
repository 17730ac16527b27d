"""Each minute, and by hand: fill the generations that are being built, or begin one."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import Field

from ordering.domain.sent import SentText200, SentText500
from ordering.domain.values import Value
from ordering.read_side.filling import Filler, Progress
from ordering.read_side.generations import BUILDING
from ordering.read_side.operation import (
    RECORD,
    AuditedRequest,
    OperationError,
    ReadModelName,
    ReadModelOperation,
    Workshop,
    read_model_named,
    recorded,
)
from ordering.read_side.query import READ_MODELS
from ordering.runtime.settings import Filling, read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

_BEGIN: Final = (
    RECORD
    + """;
select begin_generation(%(read_model)s, %(revision)s)
"""
)
_PACE: Final = """
update generations set events_per_second = %(events_per_second)s
where read_model = %(read_model)s and generation = %(generation)s and state = 'building'
"""
_SWITCH: Final = "select switch_generation(%(read_model)s, %(generation)s)"


class Rebuild(Value):
    """Which read model to begin a new generation of, and how fast; none: go on with what is there.

    ``seconds`` ends it earlier than its time, for a caller who shows how far it is.
    """

    read_model: ReadModelName | None = None
    events_per_second: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    seconds: Annotated[float, Field(gt=0)] | None = None
    who: SentText200 | None = None
    reason: SentText500 | None = None


def perform(workshop: Workshop, request: Rebuild) -> Mapping[str, Any]:
    """Fill as much as there is time for; the next invocation goes on.

    A read model that queries cannot read yet is switched to as soon as it is ready. Any other is
    left to an operator, who may verify it first.
    """
    if request.seconds is not None:
        workshop.until = min(workshop.until, time.monotonic() + request.seconds)
    if request.read_model is not None:
        _begin(workshop, request, request.read_model)
    names = READ_MODELS if request.read_model is None else (request.read_model,)
    return {"generations": [told for name in names for told in _fill(workshop, name)]}


def _begin(workshop: Workshop, request: Rebuild, name: str) -> None:
    building = [g for g in workshop.generations(name) if g.state == BUILDING]
    if not building:
        if request.who is None or request.reason is None:
            raise OperationError("who, reason: say who begins a generation, and why")
        audited = AuditedRequest(who=request.who, reason=request.reason)
        revision = read_model_named(name).newest
        names = {"read_model": name, "revision": revision}
        ((number,),) = workshop.read.rows(_BEGIN, recorded(audited, **names) | names)
    else:
        number = building[0].number
    pace = request.events_per_second
    if pace is None and not building:
        pace = int(read_settings(Filling).fill_events_per_second)
    if pace is not None:
        workshop.read.rows(
            _PACE, {"read_model": name, "generation": number, "events_per_second": pace}
        )


def _fill(workshop: Workshop, name: str) -> list[dict[str, Any]]:
    generations = workshop.generations(name)
    is_served = any(g.is_live for g in generations)
    read_model = read_model_named(name)
    told = []
    for generation in generations:
        if generation.state != BUILDING:
            continue
        filler = Filler(workshop.log, workshop.store(name), generation.number)
        if generation.revision not in read_model.revisions:
            # Newer code has begun it, and goes on with it.
            told.append(_told(name, filler.progress()))
            continue
        progress = filler.run(workshop.until)
        if progress.is_ready and not is_served:
            workshop.read.rows(_SWITCH, {"read_model": name, "generation": generation.number})
            progress = filler.progress()
        told.append(_told(name, progress))
    return told


def _told(name: str, progress: Progress) -> dict[str, Any]:
    return {"read_model": name, **asdict(progress), "is_ready": progress.is_ready}


handler = ReadModelOperation(Rebuild, perform)
