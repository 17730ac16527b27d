"""The wait of a caller for a fresher answer: ever rarer looks, through outages of the database."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TypeVar

from ordering.runtime.postgres import DatabaseUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

ResultT = TypeVar("ResultT")

# An event is visible some 20 ms after its command. Whoever waits for longer than half a second
# waits for trouble to end, and must not add to it: about three looks a second.
_FIRST_PAUSE: Final = 0.002
_LONGEST_PAUSE: Final = 0.3
_PAUSE_PER_WAITED: Final = 1 / 3

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


def pause_after(waited: float) -> float:
    """Return the seconds from a look to the next, when a caller has waited for so many seconds."""
    return min(_FIRST_PAUSE + waited * _PAUSE_PER_WAITED, _LONGEST_PAUSE)
