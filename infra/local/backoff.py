"""How long to wait before something is tried, or begun, again."""

import time
from typing import Final

STEADY_SECONDS: Final = 10.0
"""What held so long did not break of how it was begun."""


class Backoff:
    """Pauses, each twice as long as the one before, up to the longest."""

    def __init__(self, first_seconds: float, longest_seconds: float) -> None:
        self._first = first_seconds
        self._longest = longest_seconds
        self.reset()

    def reset(self) -> None:
        """Start over with the first pause."""
        self._next = self._first

    def pause(self) -> float:
        """Return the next pause, in seconds."""
        pause, self._next = self._next, min(self._next * 2, self._longest)
        return pause


class Restarts:
    """Pauses before what broke is begun again: longer while it breaks at once."""

    def __init__(self, first_seconds: float, longest_seconds: float) -> None:
        self._backoff = Backoff(first_seconds, longest_seconds)
        self.begin()

    def begin(self) -> None:
        """Note that it is begun."""
        self._began = time.monotonic()

    def broke(self) -> float:
        """Return the seconds to wait before it is begun again."""
        if time.monotonic() - self._began > STEADY_SECONDS:
            self._backoff.reset()
        return self._backoff.pause()
