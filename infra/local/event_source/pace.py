"""How often a feed asks its broker for records."""

from __future__ import annotations

from typing import Any, Final

LONG_POLL_MS: Final = 500  # as long as the broker holds a fetch open that finds nothing
FIRST_PACE_SECONDS: Final = 0.001
LONGEST_PACE_SECONDS: Final = 0.025


class Pace:
    """How long to poll, and to wait after it.

    A broker that holds fetches open needs no waiting. One that answers an empty fetch at once (an
    embedded one) would keep a core busy: there, waits grow from 1 to 25 ms while nothing comes.
    """

    def __init__(self, longest_fetch: Any) -> None:  # noqa: ANN401 - kafka-python has no types
        self._longest_fetch = longest_fetch
        self._empty_polls = 0
        self._answers_at_once = False

    def poll_ms(self, wanted: int) -> int:
        """Return how long to poll; `wanted` is right for a broker that holds fetches."""
        return 0 if self._answers_at_once else wanted

    def after(self, *, found: bool) -> float:
        """Return the seconds to wait after a poll."""
        self._empty_polls = 0 if found else self._empty_polls + 1
        if self._answers_at_once:
            doubled = FIRST_PACE_SECONDS * float(1 << min(self._empty_polls, 10))
            return min(doubled, LONGEST_PACE_SECONDS)
        if self._empty_polls >= 2:  # noqa: PLR2004 - one long poll at least was within the last two
            # Milliseconds; -inf before the first fetch was answered.
            longest = float(self._longest_fetch.value())
            self._answers_at_once = 0 <= longest < LONG_POLL_MS / 2
        return 0.0
