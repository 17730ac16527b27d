"""Headers and problems that operations of the OpenAPI document share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from infra.local.gateway.problems import MESSAGES
from ordering.command_side.problems import status_of
from ordering.domain.errors import ORDER_NOT_FOUND
from ordering.runtime.consistency import MAX_TOKENS
from ordering.runtime.problem_types import PROBLEM_TYPES, Source
from ordering.runtime.settings import Waiting

if TYPE_CHECKING:
    from collections.abc import Iterable

    from infra.contracts.functions import HttpFile

_TEXT: Final = {"type": "string"}
_LONGEST_HEADER: Final = 1024
"""API Gateway takes 10,240 bytes for all headers and the request line together."""


def _header(description: str, **schema: object) -> dict[str, Any]:
    return {"description": description, "schema": {**_TEXT, **schema}}


_ALWAYS: Final[dict[str, dict[str, Any]]] = {
    "ETag": _header("the order's version, in quotes", pattern='^"[0-9]{1,9}"$', maxLength=11),
    "Consistency-Token": _header(
        "give it to a query, and it answers with this",
        pattern="^[0-9a-f-]{36}[.][0-9]{1,9}$",
        maxLength=46,
    ),
    "Location": _header("the new order", format="uri-reference", maxLength=2048),
    "X-Correlation-Id": _header(
        "what our logs know the request by", pattern="^[!-~]{1,128}$", maxLength=128
    ),
    "Cache-Control": _header("what caches may do with the answer", maxLength=64),
    "Read-Model": _header("what answered", maxLength=64),
    "Read-Model-Stale": _header("?1: a token was not reached in time", enum=["?0", "?1"]),
    "WWW-Authenticate": _header("what the access token lacks (RFC 6750)", maxLength=1024),
}
_SOMETIMES: Final[dict[str, dict[str, Any]]] = {
    "Idempotency-Replayed": _header("this is the answer to the key's first use", enum=["true"]),
    "Read-Model-As-Of": _header(
        "every command acknowledged before is in it", format="date-time", maxLength=35
    ),
    "Read-Model-Parked": _header(
        "so many orders have events that are held back: the answer may lack them",
        pattern="^[1-9][0-9]{0,8}$",
        maxLength=9,
    ),
    "Preference-Applied": _header(
        "the wait that was granted", pattern="^wait=[0-9]{1,2}$", maxLength=7
    ),
    "Retry-After": _header("seconds", pattern="^[0-9]{1,5}$", maxLength=5),
    "Accept-Encoding": _header("the encodings that a body may have", maxLength=64),
}
_OPTIONAL: Final = ".optional"
HEADERS: Final[dict[str, dict[str, Any]]] = {
    **{name: {**about, "required": True} for name, about in _ALWAYS.items()},
    **{name + _OPTIONAL: about for name, about in _ALWAYS.items()},
    **_SOMETIMES,
}
"""The headers of answers; those that some answers always have are there a second time, for others
that only may have them."""
COMMAND_HEADERS: Final = ("ETag", "Consistency-Token", "Idempotency-Replayed", "X-Correlation-Id")
FRESHNESS_HEADERS: Final = (
    "Read-Model",
    "Read-Model-As-Of",
    "Read-Model-Stale",
    "Read-Model-Parked",
    "Preference-Applied",
)
QUERY_HEADERS: Final = (*FRESHNESS_HEADERS, "Cache-Control", "X-Correlation-Id")


def headers_of(names: Iterable[str], *, sometimes: bool = False) -> dict[str, Any]:
    """Return references to the headers; ``sometimes``: the answer may come without them."""
    suffix = _OPTIONAL if sometimes else ""
    return {
        name: {"$ref": f"#/components/headers/{name}{suffix if name in _ALWAYS else ''}"}
        for name in names
    }


def _parameter(name: str, description: str, sample: str, **schema: object) -> dict[str, Any]:
    # No example: viewers send those unasked, and each of these changes what a request means.
    return {
        "name": name,
        "in": "header",
        "description": f"{description} Such as `{sample}`.",
        "schema": {**_TEXT, **schema},
    }


_TAG: Final = '(W/)?"[!#-~]*"'
REQUEST_HEADERS: Final = {
    parameter["name"]: parameter
    for parameter in (
        _parameter(
            "Idempotency-Key",
            "The same key and body get the first answer again, for a week.",
            "0f3c1a52-5c1e-4c52-9a0b-5f6f0c9d2b7e",
            pattern="^[!-~]{1,255}$",
            maxLength=255,
        ),
        _parameter(
            "If-Match",
            "The version that the order must have, as its ETag; several, joined by commas, for one"
            " of them; `*` for any.",
            '"3"',
            pattern=rf"^[ \t]*(\*|{_TAG}([ \t]*,[ \t]*{_TAG})*)[ \t]*$",
            maxLength=_LONGEST_HEADER,
        ),
        _parameter(
            "If-None-Match",
            "The ETag of what the client has; several are joined by commas.",
            '"3"',
            maxLength=_LONGEST_HEADER,
        ),
        _parameter(
            "Consistency-Token",
            "Of the answers of one or more commands, joined by commas.",
            "00000000-0000-7000-8000-000000000001.3",
            maxLength=MAX_TOKENS * 48,
        ),
        _parameter(
            "Prefer",
            f"How long to wait for the tokens, for max-age, or for a change of what If-None-Match"
            f" names, up to {Waiting.longest_wait_seconds} seconds.",
            "wait=5",
            maxLength=_LONGEST_HEADER,
        ),
        _parameter(
            "Cache-Control",
            "How old the answer may be, in seconds.",
            "max-age=10",
            maxLength=_LONGEST_HEADER,
        ),
        _parameter(
            "traceparent",
            "W3C Trace Context; it is in the events' and projectors' log lines too.",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            maxLength=_LONGEST_HEADER,
        ),
        _parameter(
            "X-Correlation-Id",
            "The client's own id of the request: 1 to 128 visible characters.",
            "c0ffee",
            maxLength=_LONGEST_HEADER,
        ),
    )
}


def problems_of(file: HttpFile) -> dict[int, dict[str, str]]:
    """Return the codes that an operation answers, by status; each with what its rule says of it."""
    found: dict[int, dict[str, str]] = {}
    sources = _sources_of(file)
    for problem_type in PROBLEM_TYPES:
        if problem_type.sources & sources:
            found.setdefault(problem_type.status, {})[problem_type.code] = ""
    refusals = [*file.refusals, *([ORDER_NOT_FOUND] if Source.CHANGES in sources else [])]
    for refusal in refusals:
        found.setdefault(status_of(refusal), {})[refusal.code] = refusal.detail
    return found


def _sources_of(file: HttpFile) -> set[Source]:
    sources = {Source.GATEWAY, Source.FUNCTIONS}
    if file.kind == "commands":
        sources.add(Source.COMMANDS)
        if not file.handler.opens_an_order:
            sources.add(Source.CHANGES)
    else:
        sources.add(Source.QUERIES)
        if "cursor" in file.handler.question.model_fields:
            sources.add(Source.PAGED_QUERIES)
    return sources


def headers_of_problem(file: HttpFile, status: int) -> dict[str, Any]:
    """Return the headers of a problem; API Gateway's own answers lack those of the functions."""
    names = ["X-Correlation-Id", "Cache-Control"]
    sometimes = list(_HEADERS_OF_PROBLEMS.get(status, ()))
    if file.kind == "queries" and status in {404, 503}:
        sometimes += FRESHNESS_HEADERS
    always = ["WWW-Authenticate"] if status == _UNAUTHORIZED else []
    return {
        **headers_of(names, sometimes=status in MESSAGES),
        **headers_of(always),
        **headers_of(sometimes, sometimes=True),
    }


_UNAUTHORIZED: Final = 401
_HEADERS_OF_PROBLEMS: Final = {
    403: ["WWW-Authenticate"],
    409: ["Retry-After"],
    412: ["ETag"],
    415: ["Accept-Encoding"],
    429: ["Retry-After"],
    503: ["Retry-After"],
}
