"""What every function of a kind is: a callable with a database, and for HTTP one way to answer."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from copy import copy
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from snapshot_restore_py import register_before_snapshot

from .credentials import forget_credentials
from .http import Problem, Request, Response, problem_response
from .observability import (
    Measure,
    MetricUnit,
    format_log_line,
    format_traceback,
    write_log_line,
)
from .postgres import Database, DatabaseUnavailableError
from .problem_types import INTERNAL_ERROR, NO_SUBJECT, SERVICE_UNAVAILABLE
from .settings import Access, ReadSide, WriteSide, function_stem, is_deployed, read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

_FAILURE = 500
_SPARE_SECONDS = 1.0
"""Of an invocation, for what follows the last answer of the database."""
_INTERNAL_ERROR = Problem(INTERNAL_ERROR, "This is our fault; it is logged by its id.")
# Idempotency keys are the caller's own: those of callers without a name would be everybody's.
# OpenID Connect Core 1.0, section 2: at most 255 characters. It is stored with each event and note.
_LONGEST_SUBJECT = 255
_NO_SUBJECT = Problem(
    NO_SUBJECT,
    f"The access token has no sub of 1 to {_LONGEST_SUBJECT} characters, which names who calls.",
)
_UNAVAILABLE = Problem(
    SERVICE_UNAVAILABLE,
    "The database cannot be reached now; nothing is half done. Try again.",
    headers={"retry-after": "1"},
)


class Context(Protocol):
    """What is used of Lambda's context object."""

    def get_remaining_time_in_millis(self) -> int: ...  # noqa: D102 - Lambda's own name and meaning


class DatabaseFunction:
    """A function with one database, connected to by its first invocation and kept.

    ``side`` says which: commands have the write side's, queries and projectors the read side's.
    ``on_connect`` is the statement that each connection begins with, if any.
    """

    side: ClassVar[type[WriteSide | ReadSide]]
    on_connect: ClassVar[str] = ""

    def __init__(self) -> None:
        # Where it is deployed, a setting that is missing ends the cold start and names itself.
        self._opened_database = self._open() if is_deployed() else None
        if self._opened_database is not None:
            # Nothing of it may live on in many environments at once, or be old when they begin.
            register_before_snapshot(self._opened_database.close)
            register_before_snapshot(forget_credentials)

    def using(self, database: Database) -> Self:
        """Return the same function on this database instead of the one its settings name."""
        function = copy(self)
        function._opened_database = database  # noqa: SLF001 - its own copy
        return function

    @property
    def _database(self) -> Database:
        if self._opened_database is None:
            self._opened_database = self._open()
        return self._opened_database

    def _limit_time(self, context: Context | None) -> None:
        """Let statements run only until shortly before the invocation's time is over."""
        if context is not None:
            left = context.get_remaining_time_in_millis() / 1000 - _SPARE_SECONDS
            self._database.answer_by = time.monotonic() + left

    def _open(self) -> Database:
        settings = read_settings(self.side)
        return Database(
            settings.conninfo,
            settings.database_authentication,
            function_stem(),
            on_connect=self.on_connect,
        )


class HttpFunction(DatabaseFunction, ABC):
    """A function behind an HTTP route. ``kind`` names its metrics."""

    kind: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.scope_prefix = read_settings(Access).scope_prefix
        self._begun = time.perf_counter()

    def __call__(self, event: Mapping[str, Any], context: Context | None) -> Response:
        """Handle one request of API Gateway; every outcome is an HTTP answer and one log line."""
        self._begun = time.perf_counter()
        self._limit_time(context)
        request = Request.of(event, self.scope_prefix)
        try:
            if not 0 < len(request.principal.subject) <= _LONGEST_SUBJECT:
                raise _NO_SUBJECT  # noqa: TRY301 - it is answered like every other problem
            response, ready = self._respond(request)
        except Problem as problem:
            response, ready = self._problem(
                request, problem, "refused", code=problem.code, detail=problem.detail
            )
        except DatabaseUnavailableError as error:
            response, ready = self._problem(
                request,
                _UNAVAILABLE,
                "the database is not available",
                level="WARNING",
                reason=str(error),
            )
        except Exception as error:  # noqa: BLE001 - the loop's own bug is a 500 with an id, logged in full
            response, ready = self._problem(
                request, _INTERNAL_ERROR, "failed", level="ERROR", exception=format_traceback(error)
            )
        write_log_line(ready)
        return response

    @abstractmethod
    def _respond(self, request: Request) -> tuple[Response, str]:
        """Answer the request; return the answer and its log line.

        Raises:
            Problem: the answer is no.
            DatabaseUnavailableError: the database does not answer.
        """

    def _problem(
        self,
        request: Request,
        problem: Problem,
        message: str,
        /,
        *,
        level: str = "INFO",
        **fields: object,
    ) -> tuple[Response, str]:
        """Return the answer that is a problem, and its log line."""
        response = problem_response(problem, request.correlation_id)
        return response, self._request_line(request, problem.status, message, level=level, **fields)

    def _request_line(
        self,
        request: Request,
        status: int,
        message: str,
        /,
        *,
        level: str = "INFO",
        **fields: object,
    ) -> str:
        """Return the request's log line, which counts its outcome and how long it took.

        The time that a caller wanted to wait says nothing of the function's.
        """
        measures = [Measure(self.kind + _outcome(status))]
        if "wait" not in request.headers.get("prefer", ""):
            took = (time.perf_counter() - self._begun) * 1000
            duration = Measure(f"{self.kind}Duration", round(took, 3), MetricUnit.Milliseconds)
            measures.append(duration)
        return format_log_line(
            message,
            *measures,
            level=level,
            **fields,
            correlation_id=request.correlation_id,
            traceparent=request.traceparent,
        )


def _outcome(status: int) -> str:
    if status >= _FAILURE:
        return "Failed"
    return "Refused" if status >= 400 else "Answered"  # noqa: PLR2004 - HTTP's own classes
