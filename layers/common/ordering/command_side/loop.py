"""The write loop, once for all commands: read the request, load, decide, append, answer.

A command costs two round trips to the database, one that opens an order costs one. What does not
need the database's answer is done while it works: the body is read while the order is loaded, the
response and its log line are made ready while the events are written.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar

from pydantic import ValidationError
from pydantic_core import to_json

from ordering.domain.errors import NOT_FOUND_BY_ID, ORDER_NOT_FOUND, Forbidden, Refusal
from ordering.domain.evolution import record
from ordering.domain.limits import MAX_EVENT_BYTES
from ordering.domain.values import Value
from ordering.runtime import consistency
from ordering.runtime.findings import findings
from ordering.runtime.function import HttpFunction
from ordering.runtime.http import (
    Principal,
    Problem,
    Request,
    Response,
    invalid_fields,
    json_response,
)
from ordering.runtime.ids import order_id_of, uuid7
from ordering.runtime.problem_types import (
    CONFLICT,
    IDEMPOTENCY_KEY_REUSED,
    ORDER_TOO_LARGE,
    REQUEST_IN_PROGRESS,
    VERSION_MISMATCH,
)
from ordering.runtime.settings import WriteSide

from . import store
from .preconditions import IfMatch, idempotency_key_of
from .problems import problem_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ordering.domain.events import OrderEvent
    from ordering.domain.order import Order
    from ordering.runtime.postgres import ResultT

CommandT = TypeVar("CommandT", bound=Value)

_canonical: Final = json.JSONEncoder(sort_keys=True).encode
_ATTEMPTS: Final = 6
"""One, and up to five more after a lost race."""


def _everyone(_command: Value, _principal: Principal) -> None:
    """Permit every caller who has the route's scope."""


class _Addressed(NamedTuple):
    """A request of which all but the body is read. ``order_id`` is None if it opens an order."""

    request: Request
    order_id: str | None
    idempotency_key: str | None
    if_match: IfMatch | None


class _Asked(NamedTuple, Generic[CommandT]):
    """One command as it was asked, ready to be decided."""

    addressed: _Addressed
    command: CommandT
    request_hash: bytes
    """Empty without an idempotency key."""


_NOTHING_YET: Final = store.Loaded(order=None, version=0, remembered=None)
"""What there is of an order that is opened only now."""


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

    def _address(self, request: Request) -> _Addressed:
        order_id = None
        if not self.opens_an_order:
            order_id = order_id_of(request.path_parameters["order_id"])
            if order_id is None:
                raise problem_of(ORDER_NOT_FOUND)
        idempotency_key = idempotency_key_of(request.headers)
        if_match = IfMatch.of(request.headers)
        if if_match is not None and self.opens_an_order:
            raise Problem(VERSION_MISMATCH, "A new order has no version yet: no If-Match.")
        return _Addressed(request, order_id, idempotency_key, if_match)

    def _read(self, addressed: _Addressed) -> _Asked[CommandT]:
        request = addressed.request
        body = request.json()
        in_path = {n: value for n, value in request.path_parameters.items() if n != "order_id"}
        command = self._parse(body, in_path)
        forbidden = self._permit(command, request.principal)
        if forbidden is not None:
            raise problem_of(forbidden)
        request_hash = b""
        if addressed.idempotency_key:
            request_hash = self._hash(addressed.order_id, body | in_path)
        return _Asked(addressed, command, request_hash)

    def _hash(self, order_id: str | None, body: object) -> bytes:
        """Return what distinguishes one request from another, as they were sent.

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
                    raise problem_of(NOT_FOUND_BY_ID[str(name)]) from error
            raise invalid_fields([*errors, *findings(error)]) from error
        if errors:
            raise invalid_fields(errors)
        return command

    def _respond(self, request: Request) -> tuple[Response, str]:
        addressed = self._address(request)
        read: Callable[[], _Asked[CommandT]] = partial(self._read, addressed)
        for _ in range(_ATTEMPTS):
            if self.opens_an_order:
                loaded, asked = _NOTHING_YET, read()
            else:
                loaded, asked = self._load(addressed, read)
            answered = self._attempt(asked, loaded)
            if answered is not None:
                return answered
            read = partial(_same, asked)
        raise Problem(
            CONFLICT,
            f"The order changed {_ATTEMPTS} times while this was tried. Read it and try again.",
        )

    def _attempt(
        self, asked: _Asked[CommandT], loaded: store.Loaded
    ) -> tuple[Response, str] | None:
        """Decide and append once; None: the race was lost and nothing was written."""
        addressed = asked.addressed
        if loaded.remembered is not None:
            return self._replay(asked, loaded.remembered)
        order_id = addressed.order_id or str(uuid7())
        order = _visible(loaded, addressed) if addressed.order_id else None
        facts = self._decide(order, asked.command, datetime.now(UTC))
        if isinstance(facts, Refusal):
            raise problem_of(facts)
        events, now = record(order, facts)
        answer = {
            "order_id": order_id,
            "version": loaded.version + len(events),
            "status": events[-1].after.status if events else now.status,
            "events": [type(fact).__name__ for fact in facts],
        }
        body = to_json(answer).decode()
        answered = partial(self._response_with_line, addressed, "accepted", answer, body)
        if not events and addressed.idempotency_key is None:
            return answered()
        try:
            return store.append(
                self._database,
                order_id=order_id,
                read_version=loaded.version,
                order=now,
                events=events,
                metadata=_metadata(addressed),
                principal=addressed.request.principal.subject,
                idempotency_key=addressed.idempotency_key,
                request_hash=asked.request_hash,
                answer=body,
                meanwhile=answered,
            )
        except store.EventTooLargeError as error:
            raise Problem(
                ORDER_TOO_LARGE,
                f"{error} with what it changes in the order, and {MAX_EVENT_BYTES:,} are allowed."
                " Nothing was done; use a new order.",
            ) from error
        except store.KeyInUseError:
            raise Problem(
                REQUEST_IN_PROGRESS,
                "A request with this Idempotency-Key, or another on the order, is still running."
                " Ask again for the answer.",
                headers={"retry-after": "1"},
            ) from None
        except store.KeyReusedError:
            # Its first use has finished while this one ran: that one's answer is the answer.
            again, _ = self._load(addressed, lambda: None)
            return None if again.remembered is None else self._replay(asked, again.remembered)

    def _load(
        self, addressed: _Addressed, meanwhile: Callable[[], ResultT]
    ) -> tuple[store.Loaded, ResultT]:
        return store.load(
            self._database,
            addressed.order_id,
            addressed.request.principal.subject,
            addressed.idempotency_key,
            meanwhile,
        )

    def _replay(
        self, asked: _Asked[CommandT], remembered: store.Remembered
    ) -> tuple[Response, str]:
        if remembered.request_hash != asked.request_hash:
            raise Problem(
                IDEMPOTENCY_KEY_REUSED,
                "This Idempotency-Key was used for another request. Use a new key for a new"
                " request.",
            )
        answer = json.loads(remembered.answer)
        # jsonb has an order of its own; the same answer is the same to the letter.
        first = {name: answer[name] for name in ("order_id", "version", "status", "events")}
        response, line = self._response_with_line(
            asked.addressed, "replayed", first, to_json(first).decode()
        )
        response["headers"]["idempotency-replayed"] = "true"
        return response, line

    def _response_with_line(
        self, addressed: _Addressed, message: str, answer: Mapping[str, Any], body: str
    ) -> tuple[Response, str]:
        """Make the response with the answer, and its log line."""
        order_id, version = answer["order_id"], answer["version"]
        headers = {
            "etag": f'"{version}"',
            "consistency-token": consistency.token(order_id, version),
            "x-correlation-id": addressed.request.correlation_id,
        }
        if self.opens_an_order:
            headers["location"] = f"/orders/{order_id}"
        response = json_response(201 if self.opens_an_order else 200, body, headers)
        return response, self._request_line(
            addressed.request, response["statusCode"], message, **answer
        )


def _same(asked: _Asked[CommandT]) -> _Asked[CommandT]:
    """Return what was read before."""
    return asked


def _visible(loaded: store.Loaded, addressed: _Addressed) -> Order:
    """Return the order if it exists for the caller, in the version that the caller expects."""
    order = loaded.order
    if order is None or not addressed.request.principal.may_see(order.customer_id):
        raise problem_of(ORDER_NOT_FOUND)
    if addressed.if_match is not None and not addressed.if_match.allows(loaded.version):
        raise Problem(
            VERSION_MISMATCH,
            f"The order has version {loaded.version} now. Read it again and decide anew.",
            headers={"etag": f'"{loaded.version}"'},
            current_version=loaded.version,
        )
    return order


def _metadata(addressed: _Addressed) -> dict[str, str | None]:
    request = addressed.request
    return {
        "actor": request.principal.subject,
        "correlation_id": request.correlation_id,
        "causation_id": addressed.idempotency_key or request.correlation_id,
        "traceparent": request.traceparent,
    }
