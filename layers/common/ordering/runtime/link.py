"""A connection to PostgreSQL that is waited for here, and the statements that it has planned."""

from __future__ import annotations

import itertools
import select
import time
from typing import TYPE_CHECKING, Any, Final

import psycopg2
from psycopg2.extensions import POLL_OK, POLL_READ

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PLANNED_ONCE: Final = """set plan_cache_mode = force_generic_plan;
set enable_seqscan = off; set enable_hashjoin = off; set enable_mergejoin = off; set jit = off"""
"""A connection for ``rows_planned_once`` starts with it. A plan that is made while a table is empty
has to do when it is full: every row is found by an index, whatever the tables' sizes are."""
_PLANS_KEPT: Final = 64
"""Statements are few; their texts change with a read model's generations."""
_statement_numbers: Final = itertools.count(1)


class Link:
    """An asynchronous connection in autocommit mode, and what each statement on it needs again.

    The cursor keeps the last result until the next statement.
    """

    def __init__(self, conninfo: str, options: Mapping[str, Any], until: float) -> None:
        """Connect.

        Raises:
            psycopg2.OperationalError: the server is not there, or says nothing at that time.
        """
        self.connection: psycopg2.extensions.connection = psycopg2.connect(
            conninfo, async_=True, **options
        )
        try:
            # The socket is another one each time libpq tries another address of the host.
            while (state := self.connection.poll()) != POLL_OK:
                _wait_for(_watched(self.connection, state), until)
        except psycopg2.Error:
            self.connection.close()
            raise
        self.cursor: psycopg2.extensions.cursor = self.connection.cursor()
        self._executions: dict[str, str] = {}
        self.readable = _watched(self.connection, POLL_READ)

    def wait(self, until: float) -> None:
        """Wait until what was sent is answered.

        Raises:
            psycopg2.Error: the answer is an error.
            psycopg2.OperationalError: there is no answer at that time, or no server any more.
        """
        while (state := self.connection.poll()) != POLL_OK:
            reads = state == POLL_READ
            _wait_for(self.readable if reads else _watched(self.connection, state), until)

    def is_alive(self) -> bool:
        """Return whether the server has not closed it, and nothing is under way on it."""
        # A statement that an exit interrupted is still answered some time.
        if self.connection.closed or self.connection.isexecuting():
            return False
        # A server that went away has closed the socket, which makes it readable: seen here in two
        # microseconds, instead of by a statement whose outcome would then be unknown. Its last
        # words, or a notification, are readable too: take them and look again.
        try:
            while self.readable.poll(0):
                self.connection.poll()
        except psycopg2.Error:
            return False
        return True

    def planned(self, statement: str) -> tuple[str, str]:
        """Return what has the statement planned, if it is not yet, and what carries it out.

        Its name is a new one each time: of a statement that failed it is not known whether it was
        planned.
        """
        if (execution := self._executions.get(statement)) is not None:
            return "", execution
        name, numbers = f"planned_{next(_statement_numbers)}", _Numbers()
        preparation = f"prepare {name} as {statement % numbers};".replace("%", "%%")
        if len(self._executions) >= _PLANS_KEPT:
            self._executions.clear()
            preparation = f"deallocate all; {preparation}"
        values = ", ".join(f"%({parameter})s" for parameter in numbers)
        return preparation, f"execute {name} ({values})"

    def keep(self, statement: str, execution: str) -> None:
        """Remember how the statement, which was planned without an error, is carried out."""
        self._executions[statement] = execution


class _Numbers(dict[str, str]):
    """Numbers the parameters of a statement, by their names."""

    def __missing__(self, name: str) -> str:
        self[name] = f"${len(self) + 1}"
        return self[name]


def array(values: Sequence[object]) -> str:
    """Write an array whose type the statement says."""
    texts = (str(value).replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join(f'"{text}"' for text in texts) + "}"


def _watched(connection: psycopg2.extensions.connection, state: int) -> select.poll:
    watched = select.poll()
    watched.register(connection, select.POLLIN if state == POLL_READ else select.POLLOUT)
    return watched


def _wait_for(watched: select.poll, until: float) -> None:
    left = until - time.monotonic()
    if left <= 0 or not watched.poll(left * 1000):
        raise psycopg2.OperationalError("the server does not answer")
