"""The wait of a caller for a fresher answer: polls ever less often, through database outages."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar

from ordering.runtime.postgres import DatabaseUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ordering.runtime.postgres import Database

ResultT = TypeVar("ResultT")

# An event is visible some 20 ms after its command. Whoever waits for longer than half a second
# waits for trouble to end, and must not add to it: about three looks a second.
_FIRST_PAUSE: Final = 0.002
_LONGEST_PAUSE: Final = 0.3
_PAUSE_PER_WAITED: Final = 1 / 3

# Queries take no other advisory locks. The search starts at a random place, so that callers do not
# all try the same one first.
_TAKE: Final = """
with places as materialized (
  select (n + first) %% %(count)s as place
  from generate_series(1, %(count)s) as n, (select (random() * %(count)s)::int as first) as begin
)
select place from places where pg_try_advisory_lock(hashtext(%(function)s), place) limit 1
"""
_LEAVE: Final = "select pg_advisory_unlock_all()"

_FIRST_RETRY: Final = 0.05
_LONGEST_RETRY: Final = 0.5


class Wait:
    """So many seconds from now, in which an answer may become what the caller waits for."""

    def __init__(self, seconds: float) -> None:
        self._began = time.monotonic()
        self._seconds = seconds

    @property
    def waited(self) -> float:
        """The seconds since the request came."""
        return time.monotonic() - self._began

    @property
    def left(self) -> float:
        """The seconds that are left; 0 or less: the wait is over."""
        return self._seconds - self.waited

    def until(self, condition: Callable[[], bool]) -> None:
        """Poll until the condition is true or the wait is over, less and less often.

        Raises:
            DatabaseUnavailableError: the database was still down when the wait was over.
        """
        while (left := self.left) > 0:
            time.sleep(min(pause_after(self.waited), left))
            if self.despite_outages(condition):
                return

    def despite_outages(self, ask: Callable[[], ResultT]) -> ResultT:
        """Return what ``ask`` returns; while the database is down and time is left, ask again.

        Raises:
            DatabaseUnavailableError: the database was still down when the wait was over.
        """
        pause = _FIRST_RETRY
        while True:
            try:
                return ask()
            except DatabaseUnavailableError:
                if (left := self.left) <= 0:
                    raise
            time.sleep(min(pause, left))
            pause = min(2 * pause, _LONGEST_RETRY)


class WaitingPlaces:
    """A bounded number of callers of one function that may wait at a time, in all environments.

    Each waiting caller occupies an environment, of which a function has only so many; those that
    find no place are answered at once. A place is a session-level advisory lock of the read
    database, so that it is free again when its environment dies.
    """

    def __init__(self, database: Database, function: str, count: int) -> None:
        self._database = database
        self._function = function
        self._count = count

    def take(self) -> bool:
        """Take a place; return whether one was free.

        Raises:
            DatabaseUnavailableError: the database does not answer.
        """
        asked = {"function": self._function, "count": self._count}
        return bool(self._database.rows(_TAKE, asked))

    def leave(self) -> None:
        """Give up the place; where the connection was lost, the place is free already."""
        with suppress(DatabaseUnavailableError):
            self._database.rows(_LEAVE)


def pause_after(waited: float) -> float:
    """Return the seconds from a look to the next, when a caller has waited for so many seconds."""
    return min(_FIRST_PAUSE + waited * _PAUSE_PER_WAITED, _LONGEST_PAUSE)
