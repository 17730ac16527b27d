"""How a refusal of the rules becomes an HTTP problem."""

from __future__ import annotations

from ordering.domain.errors import Forbidden, Invalid, NotFound, Refusal
from ordering.runtime.http import Problem, invalid_fields
from ordering.runtime.problem_types import INVALID_REQUEST, ProblemType


def problem_of(refusal: Refusal) -> Problem:
    """Return the problem that answers a refusal."""
    if isinstance(refusal, Invalid):
        errors = [{"pointer": pointer, "detail": refusal.detail} for pointer in refusal.pointers]
        return invalid_fields(errors)
    return Problem(ProblemType(status_of(refusal), refusal.code), refusal.detail)


def status_of(refusal: Refusal) -> int:
    """Return the HTTP status of a refusal: of its kind."""
    match refusal:
        case Invalid():
            return INVALID_REQUEST.status
        case NotFound():
            return 404
        case Forbidden():
            return 403
        case _:
            return 409
