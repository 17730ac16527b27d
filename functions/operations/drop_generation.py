"""By hand: forget a generation of a read model that queries do not read, with its tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import psycopg2

from ordering.read_side.operation import (
    RECORD,
    AuditedRequest,
    OperationError,
    ReadModelName,
    ReadModelOperation,
    Workshop,
    recorded,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_DROP: Final = (
    RECORD
    + """;
select drop_generation(%(read_model)s, %(generation)s)
"""
)


class DropGeneration(AuditedRequest):
    """Which one."""

    read_model: ReadModelName
    generation: int


def perform(workshop: Workshop, request: DropGeneration) -> Mapping[str, Any]:
    """Drop it; a generation that is not there any more is none to drop."""
    names = {"read_model": request.read_model, "generation": request.generation}
    known = {g.number for g in workshop.generations(request.read_model)}
    if request.generation in known:
        try:
            workshop.read.rows(_DROP, {**recorded(request, **names), **names})
        except psycopg2.errors.ObjectNotInPrerequisiteState as error:
            why = error.diag.message_primary
            raise OperationError(f"generation: {request.generation}: {why}") from error
    return {**names, "was_there": request.generation in known}


handler = ReadModelOperation(DropGeneration, perform)
