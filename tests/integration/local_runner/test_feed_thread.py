"""The thread that fetches: what it does whenever the loop, the broker or the receiver fails it."""

from __future__ import annotations

import asyncio
import json
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from kafka import TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaTimeoutError
from kafka.structs import OffsetAndMetadata

from infra.local.event_source import consumer as consumer_module
from infra.local.event_source import feed as feed_module
from infra.local.event_source.failure_destinations import FailureDestinations
from infra.local.event_source.feed import KafkaFeed
from infra.local.event_source.source import KafkaEventSource
from infra.local.lambdas.invocation import Invocation
from infra.local.template.model import KafkaSource
from tests.integration.local_runner.lambda_fixtures import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local.event_source.records import Fetched

SOURCE = KafkaSource(
    topics=("orders",),
    group="order-details",
    starting_position="TRIM_HORIZON",
    stream_arn="arn:aws:kafka:us-east-1:000000000000:cluster/local/0",
    window_seconds=0,
)
PARTITION = TopicPartition("orders", 0)


class Metric(NamedTuple):
    name: str


class Broker:
    """Plays a broker of one partition, which has `records`, and how it is reached."""

    def __init__(self, records: int = 1) -> None:
        self.records = records
        self.committed = 0
        self.connections = 1
        self.answers = True
        self.asked = 0
        self.failures: list[Exception] = []
        self.polled = threading.Event()

    def consumer(self, **_: object) -> Consumer:
        return Consumer(self)


class Consumer:
    """Plays kafka-python's consumer."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.position = 0
        self._cluster = SimpleNamespace(topic_id=lambda _topic: None)

    def poll(self, **_: object) -> dict[TopicPartition, list[ConsumerRecord]]:
        if self.broker.failures:
            raise self.broker.failures.pop()
        found = range(self.position, self.broker.records)
        self.position = self.broker.records
        if not found:
            self.broker.polled.set()
            threading.Event().wait(0.001)
        return {PARTITION: [a_record(offset) for offset in found]} if found else {}

    def end_offsets(self, partitions: object, **_: object) -> dict[TopicPartition, int]:
        assert partitions == [PARTITION]
        self.broker.asked += 1
        if not self.broker.answers:
            raise KafkaTimeoutError
        return {PARTITION: self.broker.records}

    def metrics(self, **_: object) -> dict[Any, Any]:
        connections = SimpleNamespace(value=lambda: self.broker.connections)
        latency = SimpleNamespace(value=lambda: 500.0)
        return {
            Metric("connection-count"): connections,
            Metric("fetch-latency-max"): latency,
        }

    def seek(self, _: object, offset: int) -> None:
        self.position = offset

    def committed(self, *_: object, **__: object) -> OffsetAndMetadata:
        return OffsetAndMetadata(self.broker.committed, "", -1)

    def commit_async(self, offsets: dict[TopicPartition, Any], callback: Any) -> None:  # noqa: ANN401 - kafka-python has no types
        self.broker.committed = offsets[PARTITION].offset
        callback(offsets, None)

    def commit(self, offsets: dict[TopicPartition, Any], **_: object) -> None:
        self.broker.committed = offsets[PARTITION].offset

    def partitions_for_topic(self, _: str) -> set[int]:
        return {0}

    def paused(self) -> set[TopicPartition]:
        return set()

    def ignore(self, *_: object, **__: object) -> None:
        pass

    assign = pause = resume = close = ignore


def a_record(offset: int) -> ConsumerRecord:
    fields = dict.fromkeys(ConsumerRecord._fields)
    fields |= {"topic": "orders", "partition": 0, "offset": offset, "value": b"v"}
    return ConsumerRecord(**(fields | {"timestamp": 1, "timestamp_type": 0, "headers": []}))


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RECONNECT_SECONDS", "FIRST_RESTART_SECONDS", "LONGEST_RESTART_SECONDS"):
        monkeypatch.setattr(feed_module, name, 0.001)


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    broker = Broker()
    monkeypatch.setattr(consumer_module, "KafkaConsumer", broker.consumer)
    return broker


class Reader:
    """Reads from the broker with a feed, and keeps what it says and what it delivers."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.errors: list[str] = []
        self.offsets: list[int] = []
        self.refuse: list[Exception] = []

    def receive(self, fetched: Fetched) -> None:
        if self.refuse:
            raise self.refuse.pop()
        self.offsets += [record.offset for _, records in fetched for record in records]

    def read(self, scene: Callable[[], Any]) -> None:
        """Run a feed until the conditions that `scene` gives have come true one by one."""

        async def run() -> None:
            feed = KafkaFeed(SOURCE, "127.0.0.1:1", self.lines.append, self.errors.append)
            await feed.open()
            feed.begin(self.receive, lambda problem: self.errors.append(str(problem)))
            for condition in scene():
                await until(condition)
            await feed.close()

        asyncio.run(run())


def test_records_that_are_there_at_once_wait_for_a_loop_that_is_late(broker: Broker) -> None:
    seen: list[int] = []

    async def invoke(payload: bytes) -> Invocation:
        records = json.loads(payload)["records"]["orders-0"]
        seen.extend(record["offset"] for record in records)
        return Invocation(200, b"null", None, "request-1")

    async def run() -> None:
        errors: list[str] = []
        source = KafkaEventSource(
            "OrderDetails",
            SOURCE,
            bootstrap_servers="127.0.0.1:1",
            invoke=invoke,
            destinations=FailureDestinations(
                aws_endpoint="127.0.0.1:1", bootstrap_servers="127.0.0.1:1"
            ),
            log=errors.append,
            log_error=errors.append,
        )
        starting = asyncio.create_task(source.start())
        # The loop is away until the thread has fetched, or long enough for it to have done so.
        asyncio.get_running_loop().call_later(0, broker.polled.wait, 0.3)
        await starting
        await until(lambda: seen == [0])
        await source.close()
        assert errors == []

    asyncio.run(run())
    assert broker.committed == 1


def test_what_could_not_be_received_comes_again(broker: Broker) -> None:
    reader = Reader()
    reader.refuse = [KeyError("no buffer")]

    def scene() -> Any:  # noqa: ANN401 - conditions
        yield lambda: reader.offsets == [0]
        broker.records = 3
        yield lambda: reader.offsets == [0, 1, 2]

    reader.read(scene)
    [error] = reader.errors
    assert "order-details" in error
    assert "KeyError('no buffer')" in error


def test_a_thread_that_fails_begins_again_where_it_was(broker: Broker) -> None:
    reader = Reader()

    def scene() -> Any:  # noqa: ANN401 - conditions
        yield lambda: reader.offsets == [0]
        broker.failures = [RuntimeError("once"), RuntimeError("and again")]
        broker.records = 2
        yield lambda: reader.offsets == [0, 1]

    reader.read(scene)
    assert ["again" in error for error in reader.errors] == [True, True]


def test_a_broker_is_back_when_it_answers_not_when_it_accepts_a_connection(
    broker: Broker,
) -> None:
    reader = Reader()

    def scene() -> Any:  # noqa: ANN401 - conditions
        yield lambda: reader.offsets == [0]
        broker.connections = 0
        yield lambda: len(reader.lines) == 1
        broker.answers = False
        broker.connections = 1
        yield lambda: broker.asked > 1
        broker.connections = 0
        broker.polled.clear()
        yield broker.polled.is_set
        broker.answers = True
        broker.connections = 1
        yield lambda: len(reader.lines) == 2

    reader.read(scene)
    gone, back = reader.lines
    assert "cannot be reached" in gone
    assert "is back" in back
