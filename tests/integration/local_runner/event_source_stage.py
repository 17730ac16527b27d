"""The stage for an event-source mapping: a feed, a function and destinations that a test plays."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

from kafka.consumer.fetcher import ConsumerRecord

from infra.local.event_source.failure_destinations import (
    FailedBatch,
    FailureDestinations,
)
from infra.local.event_source.records import Partition, encode
from infra.local.event_source.source import KafkaEventSource
from infra.local.lambdas.invocation import Invocation
from infra.local.template.model import KafkaSource

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from infra.local.event_source.records import Fetched

P0, P1 = Partition("orders", 0), Partition("orders", 1)
Event = dict[str, Any]
Answer = Invocation | Exception
DONE = Invocation(200, b"null", None, "request-1")
FAILED = Invocation(200, b'{"errorMessage": "no"}', "Unhandled", "request-2")


def a_record(partition: Partition, offset: int, **fields: object) -> ConsumerRecord:
    given: dict[str, Any] = {
        "topic": partition.topic,
        "partition": partition.number,
        "leader_epoch": 0,
        "offset": offset,
        "timestamp": int(time.time() * 1000),
        "timestamp_type": 0,
        "key": b"key",
        "value": b"value",
        "headers": [],
        "checksum": None,
        "serialized_key_size": 3,
        "serialized_value_size": 5,
        "serialized_header_size": 0,
    }
    return ConsumerRecord(**(given | fields))


class Feed:
    """Plays Kafka: `give` delivers records, `committed` has the group's positions."""

    def __init__(self, *partitions: Partition) -> None:
        self.partitions = partitions
        self.committed: dict[Partition, int] = {}
        self.paused: set[Partition] = set()
        self.opened = 0
        self.resumed_at: dict[Partition, int] = {}  # the position committed by then

    async def open(self) -> Sequence[Partition]:
        self.opened += 1
        return self.partitions

    def has_opened(self, times: int) -> bool:
        return self.opened == times

    def begin(self, deliver: Callable[[Fetched], None], broke: Callable[[Exception], None]) -> None:
        self.deliver, self.broke = deliver, broke

    def give(self, partition: Partition, *offsets: int, **fields: object) -> None:
        records = [encode(a_record(partition, offset, **fields)) for offset in offsets]
        self.deliver([(partition, records)])

    def pause(self, partition: Partition) -> None:
        self.paused.add(partition)

    def resume(self, partition: Partition) -> None:
        self.paused.remove(partition)
        self.resumed_at[partition] = self.committed[partition]

    def commit(self, partition: Partition, offset: int) -> None:
        assert offset >= self.committed.get(partition, 0), "positions only go forward"
        self.committed[partition] = offset

    async def close(self) -> None:
        pass


class Function:
    """Plays the function: answers as told, and keeps what it was invoked with."""

    def __init__(self, answer: Callable[[Event], Answer] = lambda _: DONE) -> None:
        self.answer = answer
        self.events: list[Event] = []
        self.running = 0
        self.open = asyncio.Event()
        self.open.set()

    async def __call__(self, payload: bytes) -> Invocation:
        event = json.loads(payload)
        self.events.append(event)
        self.running += 1
        await asyncio.sleep(0)
        await self.open.wait()
        self.running -= 1
        answer = self.answer(event)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def batches(self) -> list[dict[str, list[int]]]:
        """The offsets of each invocation by partition."""
        return [offsets_of(event) for event in self.events]


class Destinations(FailureDestinations):
    """Plays the on-failure destination; refuses with each of `failures` first."""

    def __init__(self, failures: list[Exception]) -> None:
        super().__init__(aws_endpoint="127.0.0.1:1", bootstrap_servers="127.0.0.1:1")
        self.failures = failures
        self.batches: list[FailedBatch] = []

    async def deliver(self, destination: str, batch: FailedBatch) -> None:
        assert destination == "arn:aws:s3:::failed"
        if self.failures:
            raise self.failures.pop()
        self.batches.append(batch)


class Stage:
    """A started mapping with everything around it."""

    def __init__(
        self,
        feed: Feed,
        function: Function,
        destinations: Destinations,
        **settings: Any,  # noqa: ANN401 - any field of KafkaSource
    ) -> None:
        self.feed, self.function, self.destinations = feed, function, destinations
        self.lines: list[str] = []
        self.errors: list[str] = []
        given: dict[str, Any] = {
            "topics": ("orders",),
            "group": "order-details",
            "starting_position": "TRIM_HORIZON",
            "stream_arn": "arn:aws:kafka:us-east-1:000000000000:cluster/local/0",
            "window_seconds": 0,
        }
        self.source = KafkaEventSource(
            "OrderDetails",
            KafkaSource(**(given | settings)),
            bootstrap_servers="127.0.0.1:9092",
            invoke=function,
            destinations=destinations,
            log=self.lines.append,
            log_error=self.errors.append,
            feed=lambda: feed,
        )

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110 - any condition, of anybody's state
                await asyncio.sleep(0.001)

    async def committed(self, partition: Partition, offset: int) -> None:
        await self.until(lambda: self.feed.committed.get(partition) == offset)


def offsets_of(event: Event) -> dict[str, list[int]]:
    return {
        name: [record["offset"] for record in records] for name, records in event["records"].items()
    }


def failures(*items: tuple[Any, Any]) -> Invocation:
    body = [{"itemIdentifier": {"partition": name, "offset": offset}} for name, offset in items]
    return Invocation(200, json.dumps({"batchItemFailures": body}).encode(), None, "request-3")


def play(
    scene: Callable[[Stage], Coroutine[Any, Any, None]],
    *,
    answer: Callable[[Event], Answer] = lambda _: DONE,
    partitions: Sequence[Partition] = (P0, P1),
    destination_failures: Sequence[Exception] = (),
    **settings: Any,  # noqa: ANN401 - any field of KafkaSource
) -> Stage:
    async def run() -> Stage:
        stage = Stage(
            Feed(*partitions),
            Function(answer),
            Destinations(list(destination_failures)),
            **settings,
        )
        await stage.source.start()
        try:
            await scene(stage)
        finally:
            stage.function.open.set()
            await stage.source.close()
        return stage

    return asyncio.run(run())


def failing(times: int, answer: Answer = FAILED) -> Callable[[Event], Answer]:
    left = [answer] * times

    return lambda _: left.pop() if left else DONE
