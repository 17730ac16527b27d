"""The problem types of the HTTP API (RFC 9457), each registered once.

The loops raise them, the OpenAPI document lists them and the tests meet each of them. What a
command's own rule refuses is a ``Refusal`` in the command's file or in ``domain/errors.py``.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final, NamedTuple


class Source(Enum):
    """Who answers with a problem of a type."""

    GATEWAY = auto()
    """API Gateway itself, before a function is called or when the function gave no answer."""
    FUNCTIONS = auto()
    """Every function behind a route."""
    COMMANDS = auto()
    CHANGES = auto()
    """Commands on an order that exists: all but the one that places it."""
    QUERIES = auto()
    PAGED_QUERIES = auto()


class ProblemType(NamedTuple):
    """One type of problem: its HTTP status, its stable code, and who answers with it."""

    status: int
    code: str
    sources: frozenset[Source] = frozenset()


def _register(status: int, code: str, *sources: Source) -> ProblemType:
    problem_type = ProblemType(status, code, frozenset(sources))
    PROBLEM_TYPES.append(problem_type)
    return problem_type


PROBLEM_TYPES: Final[list[ProblemType]] = []
"""Every type that is not a command's own refusal."""

UNAUTHORIZED: Final = _register(401, "unauthorized", Source.GATEWAY)
FORBIDDEN: Final = _register(403, "forbidden", Source.GATEWAY)
ROUTE_NOT_FOUND: Final = _register(404, "route-not-found", Source.GATEWAY)
TOO_MANY_REQUESTS: Final = _register(429, "too-many-requests", Source.GATEWAY)

NO_SUBJECT: Final = _register(403, "no-subject", Source.FUNCTIONS)
INVALID_REQUEST: Final = _register(422, "invalid-request", Source.FUNCTIONS)
REQUEST_TOO_LARGE: Final = _register(413, "request-too-large", Source.COMMANDS, Source.GATEWAY)
INTERNAL_ERROR: Final = _register(500, "internal-error", Source.FUNCTIONS, Source.GATEWAY)
SERVICE_UNAVAILABLE: Final = _register(503, "service-unavailable", Source.FUNCTIONS, Source.GATEWAY)

MALFORMED_REQUEST: Final = _register(400, "malformed-request", Source.COMMANDS)
BAD_IDEMPOTENCY_KEY: Final = _register(400, "bad-idempotency-key", Source.COMMANDS)
BAD_IF_MATCH: Final = _register(400, "bad-if-match", Source.COMMANDS)
CONFLICT: Final = _register(409, "conflict", Source.CHANGES)
REQUEST_IN_PROGRESS: Final = _register(409, "request-in-progress", Source.COMMANDS)
ORDER_TOO_LARGE: Final = _register(409, "order-too-large", Source.COMMANDS)
VERSION_MISMATCH: Final = _register(412, "version-mismatch", Source.COMMANDS)
UNSUPPORTED_MEDIA_TYPE: Final = _register(415, "unsupported-media-type", Source.COMMANDS)
IDEMPOTENCY_KEY_REUSED: Final = _register(422, "idempotency-key-reused", Source.COMMANDS)

BAD_CONSISTENCY_TOKEN: Final = _register(400, "bad-consistency-token", Source.QUERIES)
BAD_CURSOR: Final = _register(400, "bad-cursor", Source.PAGED_QUERIES)
READ_MODEL_BEHIND: Final = _register(503, "read-model-behind", Source.QUERIES)
