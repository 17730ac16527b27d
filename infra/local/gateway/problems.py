"""What API Gateway answers by itself, as problem documents (RFC 9457) that a log line explains."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from aiohttp import web

from infra.local.lambdas.invocation import Invocation
from infra.local.logs import Logs

# The codes are those of the layer's problem types, which this process does not import.
CODES: Final[Mapping[int, str]] = {
    401: "unauthorized",
    403: "forbidden",
    404: "route-not-found",
    413: "request-too-large",
    429: "too-many-requests",
    500: "internal-error",
    503: "service-unavailable",
}
MESSAGES: Final[Mapping[int, str]] = {
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    413: "Request Entity Too Large",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
"""API Gateway's own message for each status."""
_TITLES: Final = {413: "Request Entity Too Large"}
_CORRELATION_ID: Final = re.compile(r"[\x21-\x7e]{1,128}", re.ASCII)  # as the functions take it
_MAX_REASON: Final = 500


@dataclass(frozen=True)
class Ids:
    """The ids by which a request is found in the logs: the gateway's and the client's own."""

    request_id: str
    correlation_id: str

    @classmethod
    def of(cls, request: web.BaseRequest, request_id: str) -> "Ids":
        """Take over a valid X-Correlation-Id, as functions do; else it is the request's id."""
        # Several headers of that name reach a function as one.
        sent = ",".join(request.headers.getall("X-Correlation-Id", ()))
        return cls(request_id, sent if _CORRELATION_ID.fullmatch(sent) else request_id)


def message_of(status: int) -> str:
    """Return AWS's own message for an answer of the gateway."""
    return MESSAGES[status]


def problem(status: int, detail: str, ids: Ids) -> web.Response:
    """Return the gateway's own answer."""
    document = {
        "type": "about:blank",
        "title": _TITLES.get(status, HTTPStatus(status).phrase),
        "status": status,
        "detail": detail,
        "code": CODES[status],
        "correlation_id": ids.correlation_id,
        "message": MESSAGES[status],
    }
    return web.Response(
        status=status,
        body=json.dumps(document).encode(),
        content_type="application/problem+json",
        headers={"x-correlation-id": ids.correlation_id},
    )


class FailedCalls:
    """Logs why a function gave no answer, with the ids that are in the client's response."""

    def __init__(self, logs: Logs) -> None:
        self._logs = logs

    def answer(
        self,
        status: int,
        detail: str,
        ids: Ids,
        *,
        route: str,
        reason: str,
        lambda_request_id: str | None = None,
    ) -> web.Response:
        """Log `reason` and return the problem; `lambda_request_id` leads on to Lambda's lines."""
        fields = {
            "correlation_id": ids.correlation_id,
            "request_id": ids.request_id,
            "lambda_request_id": lambda_request_id,
        }
        named = " ".join(f"{name}={value}" for name, value in fields.items() if value is not None)
        # One line, whatever is in the message of a function's exception.
        line = f"{route}: {status}, {' '.join(reason.split())[:_MAX_REASON]} {named}"
        log = self._logs.warning if status == HTTPStatus.TOO_MANY_REQUESTS else self._logs.error
        log(line)
        return problem(status, detail, ids)


def reason_of(result: Invocation) -> str:
    """Return why a function has failed, from Lambda's error object."""
    try:
        error = json.loads(result.payload)
        return f"{error['errorType']}: {error['errorMessage']}"
    except (ValueError, TypeError, KeyError, RecursionError):  # a runtime may send anything
        return f"{result.function_error}: {result.payload.decode(errors='replace')}"
