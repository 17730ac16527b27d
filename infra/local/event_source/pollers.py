"""The pollers of an event-source mapping: they compose invocations of what the feed has fetched.

Each poller composes one invocation after the other from those of its partitions that are ready, in
turns: up to BatchSize records and 6 MB, as soon as the batching window has passed since the first
of them was fetched. A partition has at most one batch in flight. One that fails leaves its poller
until that is over (retry), so that the others continue. Positions are committed for what is done.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from infra.local.event_source.batch import Outcome, PartitionBuffer, compose
from infra.local.event_source.retry import (
    RETRIES_WITH_DESTINATION,
    PartitionRetry,
    RetryPolicy,
    Waits,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from infra.local.event_source.records import Fetched, Partition, Record, RecordFeed
    from infra.local.event_source.target import Target
    from infra.local.template.model import KafkaSource

CLOSING_SECONDS: Final = 2.0
"""How long closing waits for invocations in flight; their records are repeated otherwise."""


class Pollers:
    """Pollers from their start until they are closed, or until one fails unexpectedly.

    `broken` then has that exception: what was fetched may be lost to them, so that others have to
    begin at the group's positions.
    """

    def __init__(
        self, source: KafkaSource, feed: RecordFeed, target: Target, log: Callable[[str], None]
    ) -> None:
        self.broken: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        self._source = source
        self._feed = feed
        self._target = target
        self._log = log
        retries = source.retries
        if retries < 0 and source.on_failure:
            retries = RETRIES_WITH_DESTINATION
        self._policy = RetryPolicy(retries, source.max_age_seconds, source.bisect)
        self._buffers: dict[Partition, PartitionBuffer] = {}
        self._closing = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin at the group's positions. Raises SourceError when a topic does not exist.

        Waits for as long as the cluster cannot be reached.
        """
        partitions = await self._feed.open()
        pollers = max(1, min(self._source.pollers, len(partitions)))
        for poller in range(pollers):
            wake = asyncio.Event()
            buffers = [PartitionBuffer(each, wake) for each in partitions[poller::pollers]]
            self._buffers.update((buffer.partition, buffer) for buffer in buffers)
            self._begin(self._poll(buffers, wake))
        self._feed.begin(self._receive, self._break)

    async def close(self) -> None:
        """End invocations in flight (2 s at most), commit the last positions and disconnect."""
        self._closing.set()
        for buffer in self._buffers.values():
            buffer.wake.set()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=CLOSING_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._feed.close()

    def _begin(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        problem = None if task.cancelled() else task.exception()
        if isinstance(problem, Exception):
            self._break(problem)

    def _break(self, problem: Exception) -> None:
        if not self.broken.done():
            self.broken.set_result(problem)

    def _receive(self, fetched: Fetched) -> None:
        for buffer, records in [
            (self._buffers[partition], records) for partition, records in fetched
        ]:
            buffer.add(records)
            if buffer.full and not buffer.paused:
                buffer.paused = True
                self._feed.pause(buffer.partition)
            buffer.wake.set()

    # ── composing ───────────────────────────────────────────────────────────────────────────────

    async def _poll(self, buffers: Sequence[PartitionBuffer], wake: asyncio.Event) -> None:
        room = self._target.format.room(buffer.partition for buffer in buffers)
        turns = _turns(buffers)
        while await self._batch_is_due(buffers, wake, room):
            ready = [buffer for buffer in next(turns) if buffer.ready]
            await self._run_batch(compose(ready, self._source.batch_size, room))

    async def _batch_is_due(
        self, buffers: Sequence[PartitionBuffer], wake: asyncio.Event, room: int
    ) -> bool:
        """Wait until there is a batch to run; False once the mapping closes."""
        while not self._closing.is_set():
            wake.clear()
            ready = [buffer for buffer in buffers if buffer.ready]
            seconds: float | None = None
            if ready:
                due = min(buffer.oldest for buffer in ready) + self._source.window_seconds
                seconds = due - time.monotonic()
                if (
                    seconds <= 0
                    or sum(buffer.count for buffer in ready) >= self._source.batch_size
                    or sum(buffer.size for buffer in ready) >= room
                ):
                    return True
            try:
                async with asyncio.timeout(seconds):
                    await wake.wait()
            except TimeoutError:
                continue
        return False

    async def _run_batch(self, taken: Mapping[PartitionBuffer, Sequence[Record]]) -> None:
        batch: dict[Partition, Sequence[Record]] = {}
        for buffer, records in taken.items():
            buffer.held = True
            batch[buffer.partition] = records
            if buffer.paused and buffer.drained:
                buffer.paused = False
                self._feed.resume(buffer.partition)
        waits = Waits(self._closing)
        while batch and not self._closing.is_set():
            for partition in [each for each in batch if self._has_expired(batch[each])]:
                self._begin(self._retry(partition, batch.pop(partition), Outcome()))
            if not batch:
                return
            outcome = await self._target.attempt(batch)
            if not outcome.throttled:
                self._settle(batch, outcome)
                return
            await waits.wait()

    def _has_expired(self, records: Sequence[Record]) -> bool:
        return any(self._policy.expired(record) for record in records)

    def _settle(self, batch: Mapping[Partition, Sequence[Record]], outcome: Outcome) -> None:
        for partition, records in batch.items():
            if partition in outcome.failures:
                self._begin(self._retry(partition, records, outcome))
            else:
                self._feed.commit(partition, records[-1].offset + 1)
                self._buffers[partition].held = False

    async def _retry(
        self, partition: Partition, records: Sequence[Record], outcome: Outcome
    ) -> None:
        await PartitionRetry(
            partition,
            records,
            self._policy,
            self._closing,
            attempt=self._target.attempt,
            done=self._feed.commit,
            give_up=lambda *failed: self._target.give_up(partition, *failed),
            log=self._log,
        ).run(outcome)
        buffer = self._buffers[partition]
        buffer.held = False
        buffer.wake.set()


def _turns(buffers: Sequence[PartitionBuffer]) -> Iterator[Sequence[PartitionBuffer]]:
    """Return the buffers for ever, each time another one first: none can starve the rest."""
    while True:
        for first in range(len(buffers)):
            yield [*buffers[first:], *buffers[:first]]
