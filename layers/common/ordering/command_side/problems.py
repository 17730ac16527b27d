"""How a refusal of the rules becomes an HTTP problem."""

from __future__ import annotations

from ordering.domain.errors import Forbidden, Invalid, NotFound, Refusal
from ordering.runtime.http import Problem, invalid_fields


def problem_of(refusal: Refusal) -> Problem:
    """Return the problem that answers a refusal."""
    match refusal:
        case Invalid(pointers=pointers):
            errors = [{"pointer": pointer, "detail": refusal.detail} for pointer in pointers]
            return invalid_fields(errors)
        case NotFound():
            status = 404
        case Forbidden():
            status = 403
        case _:
            status = 409
    return Problem(status, refusal.code, refusal.detail)
