"""HTTP as API Gateway hands it to a function (payload format 2.0), and RFC 9457 problems."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from .observability import new_traceparent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_BODY_BYTES: Final = 256 * 1024
MAX_ERRORS: Final = 1000
_SHOWN_CHARACTERS: Final = 100
"""Of what a client sent, in what is said about it: a log line has at most 256 KB."""
OPERATOR_SCOPE: Final = "orders:operate"
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)
_CORRELATION_ID = re.compile(r"[\x21-\x7e]{1,128}", re.ASCII)
TITLES: Final = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    409: "Conflict",
    412: "Precondition Failed",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}

Response = dict[str, Any]


class Problem(Exception):  # noqa: N818 - RFC 9457's own word for it
    """An answer that says what went wrong: status, stable code, and what to do about it."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        **members: object,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}
        self.members = members


@dataclass(frozen=True)
class Principal:
    """Who calls. ``customer_id`` is set for customers, who see and change their own orders only.

    An empty ``subject`` is nobody: such a caller gets no answer.
    """

    subject: str
    customer_id: str | None
    is_operator: bool

    @classmethod
    def of(cls, claims: Mapping[str, str]) -> Self:
        """Read the claims of the token, all text by now: a list is written ``[a b]``.

        Issuers name the scopes ``scope`` (RFC 9068) or ``scp``; the gateway takes either.
        """
        scopes = (claims.get("scope") or claims.get("scp") or "").strip("[]").split()
        return cls(
            subject=claims.get("sub", ""),
            customer_id=claims.get("customer_id"),
            is_operator=OPERATOR_SCOPE in scopes,
        )

    def may_see(self, customer_id: str) -> bool:
        """Tell whether the orders of this customer exist for the caller."""
        return self.is_operator or self.customer_id == customer_id


@dataclass(frozen=True)
class Request:
    """One request, with header names in lower case."""

    path_parameters: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    principal: Principal
    correlation_id: str
    traceparent: str
    _event: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> Request:
        """Read what every request has; the body is read by ``body``."""
        headers: Mapping[str, str] = event.get("headers") or {}
        context = event["requestContext"]
        claims: Mapping[str, str] = context.get("authorizer", {}).get("jwt", {}).get("claims", {})
        correlation_id = headers.get("x-correlation-id", "")
        traceparent = headers.get("traceparent", "")
        return cls(
            path_parameters=event.get("pathParameters") or {},
            query=event.get("queryStringParameters") or {},
            headers=headers,
            principal=Principal.of(claims),
            correlation_id=correlation_id
            if _CORRELATION_ID.fullmatch(correlation_id)
            else context["requestId"],
            traceparent=traceparent if _TRACEPARENT.fullmatch(traceparent) else new_traceparent(),
            _event=event,
        )

    def json(self) -> Any:  # noqa: ANN401 - whatever the client sent
        """Give the JSON body, decoded; an empty object when there is none.

        Raises:
            Problem: 413 too large, 415 not JSON by its content type, 400 not readable as JSON
                (RFC 8259) with unique names (RFC 7493).
        """
        content = self._body()
        try:
            # Without an encoding that is named, RFC 8259 allows UTF-8 only; json.loads would guess.
            return _decoder.decode(content.decode())
        except RecursionError:
            raise _malformed("it is nested too deeply") from None
        except ValueError as error:
            # Also what is no UTF-8, and a number too long to be read.
            raise _malformed(str(error)) from None

    def _body(self) -> bytes:
        body = self._event.get("body") or ""
        if self._event.get("isBase64Encoded"):
            try:
                content = base64.b64decode(body, validate=True)
            except binascii.Error:
                raise Problem(400, "malformed-request", "The body is not readable.") from None
        else:
            content = _utf8(body)
        if len(content) > MAX_BODY_BYTES:
            raise Problem(
                413,
                "request-too-large",
                f"The body has {len(content)} bytes; {MAX_BODY_BYTES} are allowed.",
            )
        if not content.strip():
            return b"{}"
        media_type = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json":
            raise Problem(
                415,
                "unsupported-media-type",
                f"Send the body as application/json, not {media_type or 'without Content-Type'!r}.",
            )
        return content


def _malformed(reason: str) -> Problem:
    return Problem(400, "malformed-request", f"The body is not valid JSON: {reason}.")


def _unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) < len(members):
        counts = Counter(name for name, _ in members)
        twice = next(name for name, count in counts.items() if count > 1)
        # Which of the two the sender meant nobody can know.
        raise ValueError(f"the name {twice[:_SHOWN_CHARACTERS]!r} is there twice in one object")
    return found


def _no_number(constant: str) -> Any:  # noqa: ANN401 - it never returns
    raise ValueError(f"{constant} is not a JSON number")


def _number(text: str) -> int | float:
    """Return the number; 3.0 and 3e0 are the whole number 3, as JSON Schema has it."""
    number = float(text)
    return int(number) if number.is_integer() else number


_decoder: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_float=_number, parse_constant=_no_number
)


def _utf8(body: str) -> bytes:
    try:
        return body.encode()
    except UnicodeEncodeError:
        raise Problem(400, "malformed-request", "The body is not UTF-8.") from None


def invalid_fields(errors: Sequence[Mapping[str, str]]) -> Problem:
    """Answer that these fields are invalid, all of them at once."""
    count = f"{len(errors)} fields are" if len(errors) > 1 else "One field is"
    listed = "see errors" if len(errors) <= MAX_ERRORS else f"the first {MAX_ERRORS} are in errors"
    return Problem(
        422, "invalid-request", f"{count} not valid; {listed}.", errors=errors[:MAX_ERRORS]
    )


def json_response(status: int, body: str, headers: Mapping[str, str]) -> Response:
    """Answer with JSON that is already written."""
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json", **headers},
        "body": body,
    }


def problem_response(problem: Problem, correlation_id: str) -> Response:
    """Answer with an RFC 9457 problem."""
    body: dict[str, object] = {
        "type": f"urn:ordering:problem:{problem.code}",
        "title": TITLES[problem.status],
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "correlation_id": correlation_id,
        **problem.members,
    }
    if problem.errors:
        body["errors"] = list(problem.errors)
    return {
        "statusCode": problem.status,
        "headers": {
            "content-type": "application/problem+json",
            "cache-control": "no-store",
            "x-correlation-id": correlation_id,
            **problem.headers,
        },
        "body": json.dumps(body, ensure_ascii=False),
    }
