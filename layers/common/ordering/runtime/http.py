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
from .problem_types import (
    INVALID_REQUEST,
    MALFORMED_REQUEST,
    REQUEST_TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .problem_types import ProblemType

MAX_BODY_BYTES: Final = 256 * 1024
MAX_ERRORS: Final = 1000
_SHOWN_CHARACTERS: Final = 100
"""How much of a client's input a log line or problem repeats; a log line has at most 256 KB."""
SELL_SCOPE: Final = "orders:sell"
OPERATE_SCOPE: Final = "orders:operate"
NOBODY: Final = ""
"""The customer to whom a caller without any orders is confined: no customer has an empty id."""
# API Gateway hands on every claim as text. What was null, a truth value, a list or an object can
# only be told by how that is written: as JSON, or as Go prints it. AWS does not document which, nor
# whether null claims are left out: issuers must not give a checkout's token a null customer_id.
_NO_NAME: Final = re.compile(r"\s*|null|<nil>|true|false|\[.*\]|\{.*\}|map\[.*\]", re.DOTALL)
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
        problem_type: ProblemType,
        detail: str,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        **members: object,
    ) -> None:
        super().__init__(detail)
        self.status = problem_type.status
        self.code = problem_type.code
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}
        self.members = members


@dataclass(frozen=True)
class Principal:
    """Who calls, and whose orders exist for them.

    ``confined_to`` is the one customer whose orders they see and change: ``NOBODY`` if they see
    none, None if they see everybody's. An empty ``subject`` is an unknown caller, who gets no
    answer.
    """

    subject: str
    confined_to: str | None
    is_operator: bool

    @classmethod
    def of(cls, claims: Mapping[str, object], scope_prefix: str = "") -> Self:
        """Read the claims of the token, all text by now: a list is written ``[a b]``.

        Issuers name the scopes ``scope`` (RFC 9068) or ``scp``; the gateway takes either. The route
        has checked that one of them suffices; what they are decides here whose orders are seen.
        """
        scopes = _words_of(claims.get("scope")) or _words_of(claims.get("scp"))
        is_operator = scope_prefix + OPERATE_SCOPE in scopes
        confined_to: str | None = None
        if not is_operator:
            # A claim that cannot be used still confines: it must not widen what its caller sees.
            if "customer_id" in claims:
                confined_to = _name_of(claims["customer_id"]) or NOBODY
            elif scope_prefix + SELL_SCOPE not in scopes:
                confined_to = NOBODY
        return cls(_name_of(claims.get("sub")), confined_to, is_operator)

    def may_see(self, customer_id: str) -> bool:
        """Return whether the orders of this customer exist for the caller."""
        return self.confined_to is None or self.confined_to == customer_id


def _name_of(claim: object) -> str:
    """Return the claim if it is a non-blank text, else an empty text."""
    return claim if isinstance(claim, str) and not _NO_NAME.fullmatch(claim) else ""


def _words_of(claim: object) -> list[str]:
    """Return the scopes in the claim: a text with spaces or a list, empty if it is null."""
    if isinstance(claim, list):
        return [str(word) for word in claim]
    text = claim if isinstance(claim, str) else ""
    return [] if text in {"null", "<nil>"} else text.strip("[]").split()


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
    def of(cls, event: Mapping[str, Any], scope_prefix: str = "") -> Request:
        """Read what every request has; the body is read by ``body``."""
        headers: Mapping[str, str] = event.get("headers") or {}
        context = event["requestContext"]
        claims: Mapping[str, object] = (
            context.get("authorizer", {}).get("jwt", {}).get("claims", {})
        )
        correlation_id = headers.get("x-correlation-id", "")
        traceparent = headers.get("traceparent", "")
        return cls(
            path_parameters=event.get("pathParameters") or {},
            query=event.get("queryStringParameters") or {},
            headers=headers,
            principal=Principal.of(claims, scope_prefix),
            correlation_id=correlation_id
            if _CORRELATION_ID.fullmatch(correlation_id)
            else context["requestId"],
            traceparent=traceparent if _TRACEPARENT.fullmatch(traceparent) else new_traceparent(),
            _event=event,
        )

    def json(self) -> Any:  # noqa: ANN401 - whatever the client sent
        """Return the JSON body, decoded; an empty object when there is none.

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
        except UnicodeDecodeError as error:
            raise _malformed(f"it is not UTF-8 from byte {error.start + 1} on") from None
        except json.JSONDecodeError as error:
            raise _malformed(
                f"it cannot be read from line {error.lineno}, column {error.colno} on"
            ) from None
        except _BadMemberError as error:
            raise _malformed(str(error)) from None
        except ValueError:
            raise _malformed("a number in it has too many digits") from None

    def _body(self) -> bytes:
        body = self._event.get("body") or ""
        if self._event.get("isBase64Encoded"):
            try:
                content = base64.b64decode(body, validate=True)
            except binascii.Error:
                raise Problem(MALFORMED_REQUEST, "The body is not readable.") from None
        else:
            content = _utf8(body)
        if len(content) > MAX_BODY_BYTES:
            raise Problem(
                REQUEST_TOO_LARGE,
                f"The body has {len(content)} bytes; {MAX_BODY_BYTES} are allowed.",
            )
        if not content.strip():
            return b"{}"
        coding = self.headers.get("content-encoding", "identity").strip().lower()
        if coding not in {"", "identity"}:
            raise Problem(
                UNSUPPORTED_MEDIA_TYPE,
                f"Send the body uncompressed, without Content-Encoding {coding!r}.",
                headers={"accept-encoding": "identity"},  # RFC 9110, 15.5.16
            )
        media_type = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json":
            raise Problem(
                UNSUPPORTED_MEDIA_TYPE,
                f"Send the body as application/json, not {media_type or 'without Content-Type'!r}.",
            )
        return content


class _BadMemberError(ValueError):
    """The body is JSON by its grammar, and means nothing certain; the message says why."""


def _malformed(reason: str) -> Problem:
    return Problem(MALFORMED_REQUEST, f"The body is not valid JSON: {reason}.")


def _unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) < len(members):
        counts = Counter(name for name, _ in members)
        twice = next(name for name, count in counts.items() if count > 1)
        # It is ambiguous which of the two the sender meant.
        raise _BadMemberError(
            f"the name {twice[:_SHOWN_CHARACTERS]!r} is there twice in one object"
        )
    return found


def _no_number(constant: str) -> Any:  # noqa: ANN401 - it never returns
    raise _BadMemberError(f"{constant} is not a JSON number")


def _number(text: str) -> float:
    """Read a number with fraction or exponent; 3.0 is the whole number 3, as in JSON Schema."""
    number = float(text)
    return int(number) if number.is_integer() and abs(number) <= _EXACT else number


_EXACT: Final = 2**53
"""Up to here floats have every whole number (RFC 8259, section 6)."""
_decoder: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_no_number, parse_float=_number
)


def _utf8(body: str) -> bytes:
    try:
        return body.encode()
    except UnicodeEncodeError:
        raise Problem(MALFORMED_REQUEST, "The body is not UTF-8.") from None


def invalid_fields(errors: Sequence[Mapping[str, str]]) -> Problem:
    """Answer that these fields are invalid, all of them at once."""
    count = f"{len(errors)} fields are" if len(errors) > 1 else "One field is"
    listed = "see errors" if len(errors) <= MAX_ERRORS else f"the first {MAX_ERRORS} are in errors"
    return Problem(INVALID_REQUEST, f"{count} not valid; {listed}.", errors=errors[:MAX_ERRORS])


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
