"""How an event-source mapping works off a batch of one partition that did not go through.

The partition leaves its poller until this is over, so a failure delays no other partition:

- The batch is tried again after 100 ms, doubling to 5 s; progress starts the back-off anew.
- A reported offset (ReportBatchItemFailures) drops what is before it and counts as an attempt for
  the record it names. Without progress, BisectBatchOnFunctionError splits the batch instead; the
  halves go in order and the split is no attempt.
- After MaximumRetryAttempts, or once records are older than MaximumRecordAgeInSeconds, they go to
  the on-failure destination; without one they are dropped. With a destination, retrying without
  end means ten retries. A destination that fails loses nothing: the batch is tried again.
- A throttled invocation did not run and counts as no attempt.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from infra.local.backoff import Backoff
from infra.local.event_source.batch import Outcome

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from infra.local.event_source.records import Partition, Record

FIRST_BACKOFF_SECONDS: Final = 0.1
LONGEST_BACKOFF_SECONDS: Final = 5.0
RETRIES_WITH_DESTINATION: Final = 10
"""What Lambda makes of "for ever" where failures have a destination."""


class Waits:
    """Waits that double, and end at once when the mapping closes."""

    def __init__(self, closing: asyncio.Event) -> None:
        self._closing = closing
        self._backoff = Backoff(FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS)

    def reset(self) -> None:
        """Start over with the shortest wait."""
        self._backoff.reset()

    async def wait(self) -> None:
        """Wait as long as it is this time's turn."""
        try:
            async with asyncio.timeout(self._backoff.pause()):
                await self._closing.wait()
        except TimeoutError:
            pass


@dataclass(frozen=True)
class RetryPolicy:
    """The mapping's settings; `retries` and `max_age_seconds` are -1 for "without end"."""

    retries: int
    max_age_seconds: int
    bisect: bool

    def exhausted(self, attempts: int) -> bool:
        """Whether so many attempts were all that there are."""
        return self.retries >= 0 and attempts > self.retries

    def expired(self, record: Record) -> bool:
        """Whether the record has become too old to be handed to the function."""
        return self.max_age_seconds >= 0 and (
            time.time() - record.timestamp / 1000 > self.max_age_seconds
        )


class PartitionRetry:
    """Works off one batch of one partition.

    `attempt` invokes the function; `done` hears, in order, each offset up to which (exclusively)
    everything is done; `give_up` takes what the function will not get (raising when that fails);
    `log` takes lines for the user.
    """

    def __init__(
        self,
        partition: Partition,
        records: Sequence[Record],
        policy: RetryPolicy,
        closing: asyncio.Event,
        *,
        attempt: Callable[[Mapping[Partition, Sequence[Record]]], Awaitable[Outcome]],
        done: Callable[[Partition, int], None],
        give_up: Callable[[Sequence[Record], str, int, Outcome], Awaitable[None]],
        log: Callable[[str], None],
    ) -> None:
        self._partition = partition
        self._segments = deque([records])
        self._policy = policy
        self._closing = closing
        self._attempt = attempt
        self._done = done
        self._give_up = give_up
        self._log = log
        self._attempts = 0  # with the record that is first now
        self._last = Outcome()
        self._waits = Waits(closing)

    async def run(self, outcome: Outcome) -> None:
        """Go on from `outcome`, until all is done or the mapping closes."""
        if outcome.failures:
            self._log(f"{self._position} failed and is tried again: {outcome.error}")
            await self._settle(outcome)
        while self._segments and not self._closing.is_set():
            if await self._discard_expired():
                await self._settle(await self._attempt({self._partition: self._segments[0]}))

    @property
    def _position(self) -> str:
        return f"{self._partition.name} at offset {self._segments[0][0].offset}"

    async def _settle(self, outcome: Outcome) -> None:
        """Act on what an attempt with the first segment brought."""
        if outcome.throttled:
            await self._waits.wait()
            return
        records = self._segments[0]
        self._last = outcome
        failed_at = outcome.failures.get(self._partition)
        if failed_at is None:
            if self._attempts:
                self._log(f"{self._position} went through at attempt {self._attempts + 1}")
            self._finish_segment()
            return
        rest = [record for record in records if record.offset >= failed_at]
        if len(rest) < len(records):
            self._segments[0] = rest
            self._done(self._partition, failed_at)
            self._attempts = 1
            self._waits.reset()
        elif self._policy.bisect and len(rest) > 1:
            self._segments.popleft()
            middle = len(rest) // 2
            self._segments.extendleft((rest[middle:], rest[:middle]))
        else:
            self._attempts += 1
        if self._exhausted and await self._discard("RetryAttemptsExhausted", self._segments[0]):
            self._finish_segment()
        else:
            await self._waits.wait()

    @property
    def _exhausted(self) -> bool:
        can_split = self._policy.bisect and len(self._segments[0]) > 1
        return not can_split and self._policy.exhausted(self._attempts)

    def _finish_segment(self) -> None:
        records = self._segments.popleft()
        self._done(self._partition, records[-1].offset + 1)
        self._attempts = 0
        self._waits.reset()

    async def _discard_expired(self) -> bool:
        """Take records that are too old out of the first segment; False if there is none left."""
        records = self._segments[0]
        expired = [record for record in records if self._policy.expired(record)]
        if not expired:
            return True
        if not await self._discard("RecordAgeExceeded", expired):
            await self._waits.wait()
            return False
        gone = {record.offset for record in expired}
        rest = [record for record in records if record.offset not in gone]
        if not rest:
            self._finish_segment()
            return False
        if rest[0].offset != records[0].offset:
            self._attempts = 0
        self._segments[0] = rest
        return True

    async def _discard(self, condition: str, records: Sequence[Record]) -> bool:
        try:
            await self._give_up(records, condition, self._attempts, self._last)
        except Exception as problem:  # noqa: BLE001 - delivery failed, for whatever reason
            self._log(f"{self._position} cannot be given up, it is tried again: {problem!r}")
            return False
        return True
