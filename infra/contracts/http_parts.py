"""Headers and problems that operations share, as the OpenAPI document tells of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ordering.errors import ORDER_NOT_FOUND, Forbidden, Invalid, NotFound, Refusal

if TYPE_CHECKING:
    from infra.contracts.functions import HttpFile

_TEXT: Final = {"type": "string"}


def _header(description: str, *, required: bool = False, **schema: object) -> dict[str, Any]:
    return {"description": description, "required": required, "schema": {**_TEXT, **schema}}


HEADERS: Final[dict[str, dict[str, Any]]] = {
    "ETag": _header("the order's version, in quotes", required=True, pattern='^"[0-9]+"$'),
    "Consistency-Token": _header("give it to a query, and it answers with this", required=True),
    "Idempotency-Replayed": _header("this is the answer to the key's first use", enum=["true"]),
    "Location": _header("the new order", required=True),
    "X-Correlation-Id": _header("what our logs know the request by", required=True),
    "Read-Model": _header("what answered", required=True),
    "Read-Model-As-Of": _header("every command acknowledged before is in it", format="date-time"),
    "Read-Model-Stale": _header(
        "?1: a token was not reached in time", required=True, enum=["?0", "?1"]
    ),
    "Read-Model-Parked": _header(
        "so many orders have events that are held back: the answer may lack them",
        pattern="^[1-9][0-9]*$",
    ),
    "Preference-Applied": _header("the wait that was granted", pattern="^wait=[0-9]+$"),
    "Retry-After": _header("seconds", pattern="^[0-9]+$"),
}
COMMAND_HEADERS: Final = ("ETag", "Consistency-Token", "Idempotency-Replayed", "X-Correlation-Id")
QUERY_HEADERS: Final = (
    "Read-Model",
    "Read-Model-As-Of",
    "Read-Model-Stale",
    "Read-Model-Parked",
    "Preference-Applied",
    "X-Correlation-Id",
)


def _parameter(name: str, description: str, sample: str, **schema: object) -> dict[str, Any]:
    # No example: viewers send those unasked, and each of these changes what a request means.
    return {
        "name": name,
        "in": "header",
        "description": f"{description} Such as `{sample}`.",
        "schema": {**_TEXT, **schema},
    }


REQUEST_HEADERS: Final = {
    parameter["name"]: parameter
    for parameter in (
        _parameter(
            "Idempotency-Key",
            "The same key and body get the first answer again, for a week.",
            "0f3c1a52-5c1e-4c52-9a0b-5f6f0c9d2b7e",
            pattern="^[!-~]{1,255}$",
        ),
        _parameter(
            "If-Match",
            "The version that the order must have, as its ETag.",
            '"3"',
            pattern='^("[0-9]{1,9}"|\\*)$',
        ),
        _parameter("If-None-Match", "The ETag of what the client has.", '"3"'),
        _parameter(
            "Consistency-Token",
            "Of the answers of one or more commands, joined by commas.",
            "00000000-0000-7000-8000-000000000001.3",
        ),
        _parameter("Prefer", "How long to wait for the tokens.", "wait=5"),
        _parameter("Cache-Control", "How old the answer may be, in seconds.", "max-age=10"),
        _parameter(
            "traceparent",
            "W3C Trace Context; it is in the events' and projectors' log lines too.",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ),
        _parameter("X-Correlation-Id", "The client's own id of the request.", "c0ffee"),
    )
}

# What the loops and the gateway answer by themselves: command_side/loop.py, read_side/query.py,
# function.py and http.py; the gateway's are API Gateway's.
_EVERYWHERE: Final = {
    401: ["unauthorized"],
    403: ["forbidden"],
    404: ["route-not-found"],
    429: ["too-many-requests"],
    500: ["internal-error"],
    503: ["service-unavailable"],
}
_COMMAND: Final = {
    400: ["malformed-request", "bad-idempotency-key", "bad-if-match"],
    404: [ORDER_NOT_FOUND.code],
    409: ["conflict", "request-in-progress", "order-too-large"],
    412: ["version-mismatch"],
    413: ["request-too-large"],
    415: ["unsupported-media-type"],
    422: ["invalid-request", "idempotency-key-reused"],
}
_QUERY: Final = {
    400: ["bad-consistency-token", "bad-cursor"],
    413: ["request-too-large"],
    422: ["invalid-request"],
    503: ["read-model-behind"],
}


def problems_of(kind: str, file: HttpFile) -> dict[int, dict[str, str]]:
    """Give the codes that an operation answers, by status; each with what its rule says of it."""
    found: dict[int, dict[str, str]] = {}
    for codes in (_EVERYWHERE, _COMMAND if kind == "command" else _QUERY):
        for status, some in codes.items():
            found.setdefault(status, {}).update(dict.fromkeys(some, ""))
    for refusal in file.refusals:
        found.setdefault(_status_of(refusal), {})[refusal.code] = refusal.detail
    return found


def _status_of(refusal: Refusal) -> int:
    match refusal:
        case Invalid():
            return 422
        case NotFound():
            return 404
        case Forbidden():
            return 403
        case _:
            return 409
