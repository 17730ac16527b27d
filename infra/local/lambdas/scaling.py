"""When a function that has environments gets more of them."""

from typing import Final

LOOK_SECONDS: Final = 0.1
"""How often a queue is looked at."""
_START_SECONDS: Final = 0.5  # until the first one has shown how long it takes


class Scaling:
    """Judges the queue of one function.

    An environment that is busy may be free sooner than a new one is ready, and starting one takes
    the processor from those that work. So there are to be more only when the queue would still be
    there once they are ready: because it hardly moves, or has lasted for as long as a start takes.

    `start_seconds` is how long that was last; `taken` counts what leaves the queue.
    """

    def __init__(self) -> None:
        self.start_seconds = _START_SECONDS
        self.taken = 0
        self._since = 0.0

    def queue_began(self, now: float) -> None:
        """Hear that something waits since `now` (monotonic seconds), and nothing did before."""
        self._since = now
        self.taken = 0

    def more(self, waiting: int, now: float, *, at_once: int) -> int:
        """Return how many to start now: none, one, or `at_once`."""
        taken, self.taken = self.taken, 0
        if waiting * LOOK_SECONDS > taken * self.start_seconds:
            self._since = now
            return at_once
        if now - self._since > self.start_seconds:
            self._since = now
            return 1
        return 0
