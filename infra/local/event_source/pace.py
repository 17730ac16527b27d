"""How often a feed asks its broker for records."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

LONG_POLL_MS: Final = 500  # as long as the broker holds a fetch open that finds nothing
FIRST_PACE_SECONDS: Final = 0.001
LONGEST_PACE_SECONDS: Final = 0.025
# Where nothing has come for a while: eight feeds would take a third of a core from all else.
IDLE_PACE_SECONDS: Final = 0.1
_IDLE_AFTER_SECONDS: Final = 0.2
# Where records come one after the other they go out together: a fetch and an invocation of every
# function for each record would take the cores from all else.
BUSY_PACE_SECONDS: Final = 0.06
GATHER_MS: Final = 3  # until a fetch of what is there already is answered
_BUSY_GAP_SECONDS: Final = 1.2 * BUSY_PACE_SECONDS
_FEW: Final = 50  # records; more are worth a fetch


class Pace:
    """How long to poll, and to wait after it.

    A broker that holds fetches open needs no waiting, unless records come in quick succession. One
    that answers an empty fetch at once (an embedded one) would keep a core busy: there, waits grow
    from 1 to 25 ms while nothing comes, and to 100 ms after a fifth of a second.
    """

    def __init__(
        self,
        longest_fetch: Any,  # noqa: ANN401 - kafka-python has no types
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._longest_fetch = longest_fetch
        self._clock = clock
        self._empty_polls = 0
        self._answers_at_once = False
        self._found_at = 0.0
        self.is_gathering = False
        """Whether records have come meanwhile that the last fetch had not."""

    def poll_ms(self, wanted: int) -> int:
        """Return how long to poll; `wanted` is right for a broker that holds fetches."""
        return 0 if self._answers_at_once else wanted

    def after(self, found: int) -> float:
        """Return the seconds to wait after a poll that has found so many records."""
        self._empty_polls = 0 if found else self._empty_polls + 1
        if found:
            last, self._found_at = self._found_at, self._clock()
            self.is_gathering = self._found_at - last < _BUSY_GAP_SECONDS and found < _FEW
            return BUSY_PACE_SECONDS if self.is_gathering else 0.0
        if self._answers_at_once:
            doubled = FIRST_PACE_SECONDS * float(1 << min(self._empty_polls, 10))
            is_idle = self._clock() - self._found_at > _IDLE_AFTER_SECONDS
            return min(doubled, IDLE_PACE_SECONDS if is_idle else LONGEST_PACE_SECONDS)
        if self._empty_polls >= 2:  # noqa: PLR2004 - one long poll at least was within the last two
            # Milliseconds; -inf before the first fetch was answered.
            longest = float(self._longest_fetch.value())
            self._answers_at_once = 0 <= longest < LONG_POLL_MS / 2
        return 0.0
