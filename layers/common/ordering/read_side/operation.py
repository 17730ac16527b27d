"""What operations on read models have in common: both databases, their requests, and the audit.

Operations alone reach both databases. Each is invoked with a JSON object, by hand or by a schedule;
a request that is wrong ends with an error that names the field.
"""

from __future__ import annotations

import importlib
import json
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Final, Generic, TypeVar

from pydantic import Field, ValidationError

from ordering.domain.sent import SentText200, SentText500
from ordering.domain.values import Value
from ordering.runtime.findings import findings
from ordering.runtime.observability import logger
from ordering.runtime.postgres import Database
from ordering.runtime.settings import Operations, function_stem, read_settings

from .generations import Generation
from .log import EventLog
from .query import READ_MODELS
from .store import ReadModelStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ordering.runtime.function import Context

    from .folding import ReadModel

_SPARE_SECONDS: Final = 15.0
"""Of an invocation, for what is under way when its time is over."""
_ALWAYS_SECONDS: Final = 600.0
_GENERATIONS: Final = """
select generation, revision, state from generations where read_model = %(read_model)s
order by state <> 'live', generation
"""
RECORD: Final = """
insert into operations (operation, who, reason, details)
values (%(operation)s, %(who)s, %(reason)s, %(details)s)
"""


class OperationError(Exception):
    """The request cannot be carried out; the message says why, and names the field."""


class AuditedRequest(Value):
    """A request that changes something: who wants it, and why, is recorded."""

    who: SentText200
    reason: SentText500


ReadModelName = Annotated[str, Field(description="one of GET /read-models")]
RequestT = TypeVar("RequestT", bound=Value)


@dataclass
class Workshop:
    """What an operation works with."""

    write: Database
    read: Database
    until: float
    """The moment of ``time.monotonic()`` at which it has to end."""

    @cached_property
    def log(self) -> EventLog:
        """The write side's log."""
        return EventLog(self.write)

    def store(self, name: str) -> ReadModelStore:
        """Return a read model's tables.

        Raises:
            OperationError: there is no such read model.
        """
        return ReadModelStore(self.read, read_model_named(name))

    def generations(self, name: str) -> list[Generation]:
        """Return a read model's generations, the live one first.

        Raises:
            OperationError: there is no such read model.
        """
        read_model_named(name)
        rows = self.read.rows(_GENERATIONS, {"read_model": name})
        return [Generation(*row) for row in rows]

    def generation(self, name: str, number: int | None) -> Generation:
        """Return one of a read model's generations, that this code can fold; None: the live one.

        Raises:
            OperationError: there is none.
        """
        for generation in self.generations(name):
            if generation.number == number or (number is None and generation.is_live):
                if generation.revision not in read_model_named(name).revisions:
                    raise OperationError(
                        f"generation: {generation.number} of {name} is of revision"
                        f" {generation.revision}, which this code does not have"
                    )
                return generation
        which = "live generation" if number is None else f"generation {number}"
        raise OperationError(f"generation: {name} has no {which}")

    def record(self, request: AuditedRequest, **details: object) -> None:
        """Record who does what, and why."""
        self.read.rows(RECORD, recorded(request, **details))


def recorded(request: AuditedRequest, **details: object) -> dict[str, object]:
    """Return the parameters of ``RECORD``."""
    return {
        "operation": function_stem(),
        "who": request.who,
        "reason": request.reason,
        "details": json.dumps(details),
    }


class ReadModelOperation(Generic[RequestT]):
    """The Lambda handler of one operation: ``perform`` does what the request says."""

    def __init__(
        self,
        request: type[RequestT],
        perform: Callable[[Workshop, RequestT], Mapping[str, Any]],
    ) -> None:
        self.request = request
        self._perform = perform
        self._databases: tuple[Database, Database] | None = None

    def using(self, write: Database, read: Database) -> ReadModelOperation[RequestT]:
        """Return the same operation on these databases instead of those its settings name."""
        operation = ReadModelOperation(self.request, self._perform)
        operation._databases = (write, read)
        return operation

    def __call__(self, event: Mapping[str, Any], context: Context | None) -> Mapping[str, Any]:
        """Carry out one request.

        Raises:
            OperationError: it cannot be; the message names the field.
            DatabaseUnavailableError: a database does not answer; it may be asked again.
        """
        try:
            request = self.request.model_validate(event)
        except ValidationError as error:
            wrong = "; ".join(f"{f['pointer'][1:]}: {f['detail']}" for f in findings(error))
            raise OperationError(wrong) from None
        left = _ALWAYS_SECONDS
        if context is not None:
            left = context.get_remaining_time_in_millis() / 1000
        answer = self._perform(
            Workshop(*self._open(), until=time.monotonic() + left - _SPARE_SECONDS), request
        )
        # Not the answer: parked records have personal data.
        logger.info("done", extra={"request": request.model_dump(mode="json")})
        return answer

    def _open(self) -> tuple[Database, Database]:
        if self._databases is None:
            settings = read_settings(Operations)
            authentication = settings.database_authentication
            self._databases = (
                Database(settings.write_database, authentication, function_stem()),
                Database(settings.read_database, authentication, function_stem()),
            )
        return self._databases


def read_model_named(name: str) -> ReadModel:
    """Return a read model from its projector's file, found by its name, as Lambda finds handlers.

    Raises:
        OperationError: there is none of the name.
    """
    if name not in READ_MODELS:
        known = ", ".join(READ_MODELS)
        raise OperationError(f"read_model: there is no {name!r}; there are {known}")
    read_model: ReadModel = importlib.import_module(f"projectors.{name}").handler.read_model
    return read_model
