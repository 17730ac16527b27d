"""Lambda's event-source mapping for Kafka: fetched records become invocations of a function.

Each poller composes one invocation after the other from those of its partitions that are ready, in
turns: up to BatchSize records and 6 MB, as soon as the batching window has passed since the first
of them was fetched. A partition has at most one batch in flight. One that fails leaves its poller
until that is over (kafka_retry), so that the others go on. Positions are committed for what is
done, so a crash repeats records and loses none.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import TYPE_CHECKING, Final

from infra.local.event_source.batch import (
    Outcome,
    PartitionBuffer,
    compose,
    read_partial_response,
    whole_batch_failed,
)
from infra.local.event_source.failure_destinations import FailedBatch
from infra.local.event_source.feed import KafkaFeed
from infra.local.event_source.records import EventFormat
from infra.local.event_source.retry import (
    RETRIES_WITH_DESTINATION,
    Backoff,
    PartitionRetry,
    RetryPolicy,
)
from infra.local.lambdas.invocation import LambdaError, ServiceClosed, Throttled
from infra.local.template.cloudformation import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from infra.local.event_source.failure_destinations import FailureDestinations
    from infra.local.event_source.records import Fetched, Partition, Record, RecordFeed
    from infra.local.lambdas.invocation import Invocation
    from infra.local.template.model import KafkaSource

CLOSING_SECONDS: Final = 2.0
"""How long closing waits for invocations in flight; their records are repeated otherwise."""


class KafkaEventSource:
    """One mapping of Kafka topics to one function.

    `invoke` runs the function with a payload; `log` takes lines for the user. `feed` replaces the
    Kafka cluster at `bootstrap_servers`.
    """

    def __init__(
        self,
        function_name: str,
        source: KafkaSource,
        *,
        bootstrap_servers: str,
        invoke: Callable[[bytes], Awaitable[Invocation]],
        destinations: FailureDestinations,
        log: Callable[[str], None],
        feed: RecordFeed | None = None,
        region: str = "us-east-1",
    ) -> None:
        self._source = source
        self._function_arn = f"arn:aws:lambda:{region}:{ACCOUNT}:function:{function_name}"
        name = "/".join((function_name, source.group, *source.topics))
        self._mapping_id = str(uuid.uuid5(uuid.NAMESPACE_URL, name))
        self._format = EventFormat(source.stream_arn, bootstrap_servers)
        self._invoke = invoke
        self._destinations = destinations
        self._log: Callable[[str], None] = lambda line: log(f"{function_name}: {line}")
        self._feed = feed or KafkaFeed(source, bootstrap_servers, self._log)
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
        if not self._source.enabled:
            return
        partitions = await self._feed.start(self._receive)
        pollers = max(1, min(self._source.pollers, len(partitions)))
        for poller in range(pollers):
            wake = asyncio.Event()
            buffers = [PartitionBuffer(each, wake) for each in partitions[poller::pollers]]
            self._buffers.update((buffer.partition, buffer) for buffer in buffers)
            self._begin(self._poll(buffers, wake))

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
        if not task.cancelled() and (problem := task.exception()):
            self._log(f"a poller of {self._source.group} has stopped: {problem!r}")

    def _receive(self, fetched: Fetched) -> None:
        for partition, records in fetched:
            buffer = self._buffers[partition]
            buffer.add(records)
            if buffer.full and not buffer.paused:
                buffer.paused = True
                self._feed.pause(partition)
            buffer.wake.set()

    # ── composing ───────────────────────────────────────────────────────────────────────────────

    async def _poll(self, buffers: Sequence[PartitionBuffer], wake: asyncio.Event) -> None:
        room = self._format.room(buffer.partition for buffer in buffers)
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
        backoff = Backoff(self._closing)
        while batch and not self._closing.is_set():
            for partition in [each for each in batch if self._has_expired(batch[each])]:
                self._begin(self._retry(partition, batch.pop(partition), Outcome()))
            if not batch:
                return
            outcome = await self._attempt(batch)
            if not outcome.throttled:
                self._settle(batch, outcome)
                return
            await backoff.wait()

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
            attempt=self._attempt,
            done=self._feed.commit,
            give_up=lambda *failed: self._give_up(partition, *failed),
            log=self._log,
        ).run(outcome)
        buffer = self._buffers[partition]
        buffer.held = False
        buffer.wake.set()

    # ── invoking ────────────────────────────────────────────────────────────────────────────────

    async def _attempt(self, batch: Mapping[Partition, Sequence[Record]]) -> Outcome:
        """Invoke the function once; whatever goes wrong is an outcome."""
        try:
            answer = await self._invoke(self._format.compose(batch))
        except (Throttled, ServiceClosed):
            return Outcome(throttled=True)
        except LambdaError as refusal:
            return whole_batch_failed(batch, f"{refusal.code}: {refusal}")
        except Exception as problem:  # noqa: BLE001 - not processed, for whatever reason: try it again
            return whole_batch_failed(batch, repr(problem))
        return self._read(answer, batch)

    def _read(self, answer: Invocation, batch: Mapping[Partition, Sequence[Record]]) -> Outcome:
        if answer.status == Throttled.status:
            return Outcome(throttled=True)
        if answer.function_error is not None:
            text = answer.payload[:300].decode(errors="replace")
            return whole_batch_failed(
                batch, text, request_id=answer.request_id, function_error=answer.function_error
            )
        if self._source.partial_responses:
            return read_partial_response(answer.payload, batch, answer.request_id)
        return Outcome(request_id=answer.request_id)

    async def _give_up(
        self,
        partition: Partition,
        records: Sequence[Record],
        condition: str,
        attempts: int,
        outcome: Outcome,
    ) -> None:
        """Send records to the on-failure destination, or drop them where there is none."""
        offsets = f"offsets {records[0].offset} to {records[-1].offset}"
        destination = self._source.on_failure
        if destination is not None:
            failed = FailedBatch(
                self._mapping_id,
                self._function_arn,
                self._format,
                partition,
                records,
                condition,
                attempts,
                outcome.request_id,
                outcome.function_error,
            )
            await self._destinations.deliver(destination, failed)
        fate = f"sent to {destination}" if destination else "dropped: there is no destination"
        self._log(f"{partition.name}, {offsets}: {condition}, {fate}")


def _turns(buffers: Sequence[PartitionBuffer]) -> Iterator[Sequence[PartitionBuffer]]:
    """Give the buffers for ever, each time another one first: none can starve the rest."""
    while True:
        for first in range(len(buffers)):
            yield [*buffers[first:], *buffers[:first]]
