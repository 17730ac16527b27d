"""Asks PostgreSQL what Northwind's orders amount to, however often its server dies meanwhile."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, TypeVar

import psycopg2

from infra.local.demo.northwind import NorthwindDatabase

if TYPE_CHECKING:
    from collections.abc import Callable

_FIRST_WAIT_SECONDS: Final = 0.1
_LONGEST_WAIT_SECONDS: Final = 5.0

Answer = TypeVar("Answer")


class NoDatabaseError(Exception):
    """The read database has not answered for too long."""


class NorthwindSessions:
    """Gives each question a session of its own: none is held while the API is asked.

    A question is repeated while the server is away, for `patience_seconds`. `retries` counts that.
    """

    def __init__(self, host: str, port: int, pgpass: str, *, patience_seconds: float) -> None:
        self._host = host
        self._port = port
        self._pgpass = pgpass
        self._patience_seconds = patience_seconds
        self.retries = 0

    async def ask(self, question: Callable[[NorthwindDatabase], Answer]) -> Answer:
        """Ask in a new session. Raises NoDatabaseError when there was none for too long."""
        began = time.monotonic()
        wait = _FIRST_WAIT_SECONDS
        while True:
            try:
                return await asyncio.to_thread(self._ask, question)
            except psycopg2.Error as trouble:
                if not _is_away(trouble):
                    raise
                if time.monotonic() - began > self._patience_seconds:
                    raise NoDatabaseError(
                        f"the read database has not answered for {self._patience_seconds / 60:g} "
                        f"min: {trouble}"
                    ) from trouble
            self.retries += 1
            await asyncio.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT_SECONDS)

    def _ask(self, question: Callable[[NorthwindDatabase], Answer]) -> Answer:
        database = NorthwindDatabase(self._host, self._port, self._pgpass)
        try:
            return question(database)
        finally:
            database.close()


def _is_away(trouble: psycopg2.Error) -> bool:
    # A server that dies in the middle of a statement may leave no more than the bare kind.
    return (
        isinstance(trouble, psycopg2.OperationalError | psycopg2.InterfaceError)
        or type(trouble) is psycopg2.DatabaseError
    )
