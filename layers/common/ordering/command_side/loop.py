"""The write loop, once for all commands: read the request, load, decide, append, answer.

A command costs two round trips to the database, one that opens an order costs one.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from pydantic import ValidationError

from ordering import consistency
from ordering.errors import ORDER_NOT_FOUND, Forbidden, Invalid, NotFound, Refusal
from ordering.evolution import record
from ordering.findings import findings
from ordering.function import HttpFunction
from ordering.http import (
    Principal,
    Problem,
    Request,
    Response,
    invalid_fields,
    json_response,
)
from ordering.ids import order_id_of, uuid7
from ordering.observability import logger
from ordering.settings import WriteSide
from ordering.values import Value

from . import store
from .preconditions import IfMatch, idempotency_key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ordering.events import OrderEvent
    from ordering.order import Order

CommandT = TypeVar("CommandT", bound=Value)

_canonical: Final = json.JSONEncoder(sort_keys=True).encode
_ATTEMPTS: Final = 6
"""One, and up to five more after a lost race."""


def _everyone(_command: Value, _principal: Principal) -> None:
    """Let every caller who has the route's scope send the command."""


@dataclass(frozen=True)
class _Asked(Generic[CommandT]):
    """One command as it was asked, ready to be decided."""

    command: CommandT
    order_id: str | None
    idempotency_key: str | None
    if_match: IfMatch | None
    request_hash: bytes
    """Empty without an idempotency key."""
    request: Request


class CommandFunction(HttpFunction, Generic[CommandT]):
    """The Lambda handler of one command.

    ``command`` has the fields of the body and, beside the order's id, those of the path.
    ``decide(order, command, at)`` gives the facts that follow, none when the order is already as
    the command wants it, or a refusal. ``permit`` refuses what the caller may never do.
    """

    side = WriteSide
    kind = "Command"

    def __init__(
        self,
        command: type[CommandT],
        decide: Callable[[Any, CommandT, datetime], Sequence[OrderEvent] | Refusal],
        *,
        opens_an_order: bool = False,
        permit: Callable[[CommandT, Principal], Forbidden | None] = _everyone,
    ) -> None:
        self.command = command
        self._decide = decide
        self.opens_an_order = opens_an_order
        self._permit = permit
        super().__init__()

    def _read(self, request: Request) -> _Asked[CommandT]:
        order_id = None
        if not self.opens_an_order:
            order_id = order_id_of(request.path_parameters["order_id"])
            if order_id is None:
                raise problem_of(ORDER_NOT_FOUND)
        idempotency_key = idempotency_key_of(request.headers)
        if_match = IfMatch.of(request.headers)
        if if_match is not None and self.opens_an_order:
            raise Problem(412, "version-mismatch", "A new order has no version yet: no If-Match.")
        body = request.json()
        in_path = {n: value for n, value in request.path_parameters.items() if n != "order_id"}
        command = self._parse(body, in_path)
        forbidden = self._permit(command, request.principal)
        if forbidden is not None:
            raise problem_of(forbidden)
        return _Asked(
            command=command,
            order_id=order_id,
            idempotency_key=idempotency_key,
            if_match=if_match,
            request_hash=self._hash(order_id, body | in_path) if idempotency_key else b"",
            request=request,
        )

    def _hash(self, order_id: str | None, body: object) -> bytes:
        """Give what tells one request from another, as they were sent.

        It is kept for a week: nothing may be in it that a deployment changes, such as a new field
        of the command that this caller does not send.
        """
        asked = [self.command.__module__.rpartition(".")[2], order_id, body]
        return hashlib.sha256(_canonical(asked).encode()).digest()

    def _parse(self, body: object, path: dict[str, str]) -> CommandT:
        errors: list[Mapping[str, str]] = []
        if path and isinstance(body, dict):
            errors = [
                {"pointer": f"/{name}", "detail": "is in the path; remove it from the body"}
                for name in path
                if name in body
            ]
            body = body | path
        try:
            command = self.command.model_validate(body)
        except ValidationError as error:
            for finding in error.errors(include_url=False, include_input=False):
                if finding["loc"] and (name := finding["loc"][0]) in path:
                    part = str(name).removesuffix("_id")
                    raise Problem(
                        404, f"{part}-not-found", f"The order has no such {part}."
                    ) from error
            raise invalid_fields([*errors, *findings(error)]) from error
        if errors:
            raise invalid_fields(errors)
        return command

    def _respond(self, request: Request) -> Response:
        asked = self._read(request)
        for _ in range(_ATTEMPTS):
            response = self._attempt(asked)
            if response is not None:
                return response
        raise Problem(
            409,
            "conflict",
            f"The order changed {_ATTEMPTS} times while this was tried. Read it and try again.",
        )

    def _attempt(self, asked: _Asked[CommandT]) -> Response | None:
        """Load, decide and append once; None: the race was lost and nothing was written."""
        if asked.order_id is None:
            order_id, order, version = str(uuid7()), None, 0
        else:
            order_id = asked.order_id
            loaded = self._load(asked)
            if loaded.remembered is not None:
                return _replay(asked, loaded.remembered)
            order, version = _visible(loaded, asked), loaded.version
        facts = self._decide(order, asked.command, datetime.now(UTC))
        if isinstance(facts, Refusal):
            raise problem_of(facts)
        events, now = record(order, facts)
        answer = {
            "order_id": order_id,
            "version": version + len(events),
            "status": events[-1].after.status if events else now.status,
            "events": [type(fact).__name__ for fact in facts],
        }
        response = _accepted(asked, answer)
        if not events and asked.idempotency_key is None:
            return response
        try:
            written = store.append(
                self._database,
                order_id=order_id,
                read_version=version,
                order=now,
                events=events,
                metadata=_metadata(asked),
                principal=asked.request.principal.subject,
                idempotency_key=asked.idempotency_key,
                request_hash=asked.request_hash,
                answer=response["body"],
            )
        except store.KeyInUseError:
            raise Problem(
                409,
                "request-in-progress",
                "A request with this Idempotency-Key, or another on the order, is still running."
                " Ask again for the answer.",
                headers={"retry-after": "1"},
            ) from None
        except store.KeyReusedError:
            # Its first use has finished while this one ran: that one's answer is the answer.
            remembered = self._load(asked).remembered
            return None if remembered is None else _replay(asked, remembered)
        if not written:
            return None
        logger.info("accepted", extra=answer)
        return response

    def _load(self, asked: _Asked[CommandT]) -> store.Loaded:
        return store.load(
            self._database,
            asked.order_id,
            asked.request.principal.subject,
            asked.idempotency_key,
        )


def _visible(loaded: store.Loaded, asked: _Asked[CommandT]) -> Order:
    """Give the order if it exists for the caller, in the version that the caller expects."""
    order = loaded.order
    if order is None or not asked.request.principal.may_see(order.customer_id):
        raise problem_of(ORDER_NOT_FOUND)
    if asked.if_match is not None and not asked.if_match.allows(loaded.version):
        raise Problem(
            412,
            "version-mismatch",
            f"The order has version {loaded.version} now. Read it again and decide anew.",
            headers={"etag": f'"{loaded.version}"'},
            current_version=loaded.version,
        )
    return order


def _metadata(asked: _Asked[CommandT]) -> dict[str, str | None]:
    request = asked.request
    return {
        "actor": request.principal.subject,
        "correlation_id": request.correlation_id,
        "causation_id": asked.idempotency_key or request.correlation_id,
        "traceparent": request.traceparent,
    }


def _replay(asked: _Asked[CommandT], remembered: store.Remembered) -> Response:
    if remembered.request_hash != asked.request_hash:
        raise Problem(
            422,
            "idempotency-key-reused",
            "This Idempotency-Key was used for another request. Use a new key for a new request.",
        )
    answer = json.loads(remembered.answer)
    # jsonb has an order of its own; the same answer is the same to the letter.
    first = {name: answer[name] for name in ("order_id", "version", "status", "events")}
    return _accepted(asked, first, {"idempotency-replayed": "true"})


def _accepted(
    asked: _Asked[CommandT], answer: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> Response:
    order_id, version = answer["order_id"], answer["version"]
    opened = asked.order_id is None
    return json_response(
        201 if opened else 200,
        json.dumps(answer),
        {
            "etag": f'"{version}"',
            "consistency-token": consistency.token(order_id, version),
            "x-correlation-id": asked.request.correlation_id,
            **({"location": f"/orders/{order_id}"} if opened else {}),
            **(headers or {}),
        },
    )


def problem_of(refusal: Refusal) -> Problem:
    """Map a refusal to HTTP: the one table for it."""
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
