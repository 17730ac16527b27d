"""The event-source mapping against real brokers."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import json
import statistics
import time
import uuid
from typing import TYPE_CHECKING, Any, Self

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import TopicAlreadyExistsError
from kafka.structs import OffsetAndMetadata

from infra.local.event_source import consumer
from infra.local.event_source.failure_destinations import FailureDestinations
from infra.local.event_source.feed import KafkaFeed
from infra.local.event_source.pace import LONG_POLL_MS, LONGEST_PACE_SECONDS
from infra.local.event_source.records import Partition, SourceError
from infra.local.event_source.source import KafkaEventSource
from infra.local.lambdas.invocation import Invocation
from infra.local.template.model import KafkaSource
from tests.shared import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from infra.local.event_source.records import Fetched
    from tests.integration.local_runner.conftest import Background, Kafka

DONE = Invocation(200, b"null", None, "request-1")
FAILED = Invocation(200, b"{}", "Unhandled", "request-2")


class Cluster:
    """One broker, and names that no other test uses."""

    names = 0

    def __init__(self, servers: str) -> None:
        self.servers = servers
        self.producer = KafkaProducer(bootstrap_servers=servers)

    def new_topic(self, partitions: int = 2) -> str:
        type(self).names += 1
        name = f"orders-{time.time_ns()}-{self.names}"
        admin = KafkaAdminClient(bootstrap_servers=self.servers)
        admin.create_topics({name: {"num_partitions": partitions, "replication_factor": 1}})
        admin.close()
        return name

    def replace(self, topic: str, partitions: int = 1) -> None:
        """Delete a topic and make another one of its name, once the cluster lets it."""
        admin = KafkaAdminClient(bootstrap_servers=self.servers)
        admin.delete_topics([topic])
        made: list[str] = []

        def is_made() -> bool:
            with contextlib.suppress(TopicAlreadyExistsError):
                admin.create_topics(
                    {topic: {"num_partitions": partitions, "replication_factor": 1}}
                )
                made.append(topic)
            return bool(made)

        eventually(is_made)
        admin.close()

    def produce(self, topic: str, *values: str, partition: int = 0) -> None:
        sent = [self.producer.send(topic, value.encode(), partition=partition) for value in values]
        for acknowledgement in sent:
            acknowledgement.get(timeout=10)


@pytest.fixture
def cluster(kafka: Kafka) -> Iterator[Cluster]:
    cluster = Cluster(kafka.servers)
    yield cluster
    cluster.producer.close()


def a_source(topic: str, **settings: Any) -> KafkaSource:  # noqa: ANN401 - any of its fields
    given: dict[str, Any] = {
        "topics": (topic,),
        "group": f"group-of-{topic}",
        "starting_position": "TRIM_HORIZON",
        "stream_arn": "arn:aws:kafka:us-east-1:000000000000:cluster/local/0",
        "window_seconds": 0,
    }
    return KafkaSource(**(given | settings))


class Reader:
    """Runs a feed and keeps what it delivers."""

    def __init__(
        self, cluster: Cluster, source: KafkaSource, starting_timestamp: float | None = None
    ) -> None:
        self.lines: list[str] = []
        self.offsets: list[tuple[int, int]] = []
        self.arrivals: list[float] = []
        self.errors: list[str] = []
        self.breaks: list[Exception] = []
        self.feed = KafkaFeed(
            source, cluster.servers, self.lines.append, self.errors.append, starting_timestamp
        )

    async def __aenter__(self) -> Self:
        async with asyncio.timeout(20):
            self.partitions = await self.feed.open()
        self.feed.begin(self._receive, self.breaks.append)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.feed.close()

    def _receive(self, fetched: Fetched) -> None:
        self.arrivals += [time.time()] * sum(len(records) for _, records in fetched)
        self.offsets += [
            (partition.number, record.offset)
            for partition, records in fetched
            for record in records
        ]

    async def read(self, count: int) -> list[tuple[int, int]]:
        await until(lambda: len(self.offsets) >= count)
        return sorted(self.offsets)


async def until(condition: Callable[[], object], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - any condition, of anybody's state
            await asyncio.sleep(0.002)


def test_it_goes_on_where_the_group_is_after_a_restart(cluster: Cluster) -> None:
    topic = cluster.new_topic()
    cluster.produce(topic, "a", "b", "c")

    async def first_run() -> None:
        async with Reader(cluster, a_source(topic)) as reader:
            assert reader.partitions == [Partition(topic, 0), Partition(topic, 1)]
            assert await reader.read(3) == [(0, 0), (0, 1), (0, 2)]
            reader.feed.commit(Partition(topic, 0), 2)

    async def second_run() -> None:
        async with Reader(cluster, a_source(topic, starting_position="LATEST")) as reader:
            assert await reader.read(1) == [(0, 2)]

    asyncio.run(first_run())
    asyncio.run(second_run())


def test_positions_are_committed_while_it_runs(cluster: Cluster) -> None:
    topic = cluster.new_topic()

    async def run() -> None:
        async with Reader(cluster, a_source(topic)) as reader:
            reader.feed.commit(Partition(topic, 0), 7)
            onlooker = KafkaConsumer(
                bootstrap_servers=cluster.servers, group_id=f"group-of-{topic}"
            )
            await until(lambda: onlooker.committed(TopicPartition(topic, 0)) == 7)
            onlooker.close()

    asyncio.run(run())


def test_latest_begins_with_what_comes_after_the_first_start(cluster: Cluster) -> None:
    topic = cluster.new_topic()
    cluster.produce(topic, "old")

    async def run(*, expected: list[tuple[int, int]]) -> None:
        async with Reader(cluster, a_source(topic, starting_position="LATEST")) as reader:
            assert await reader.read(len(expected)) == expected

    asyncio.run(run(expected=[]))
    cluster.produce(topic, "while nobody was there")
    asyncio.run(run(expected=[(0, 1)]))


def test_at_timestamp_begins_with_the_first_record_of_that_time(cluster: Cluster) -> None:
    topic = cluster.new_topic(1)
    begin = int(time.time()) - 10  # what is older than the retention may go at any time
    for second in (1, 2, 3):
        cluster.producer.send(topic, b"v", timestamp_ms=(begin + second) * 1000).get(10)

    async def run() -> None:
        source = a_source(topic, starting_position="AT_TIMESTAMP")
        async with Reader(cluster, source, begin + 1.5) as reader:
            assert await reader.read(2) == [(0, 1), (0, 2)]

    asyncio.run(run())


def test_a_topic_that_does_not_exist_is_said_at_the_start(cluster: Cluster) -> None:
    async def run() -> None:
        async with Reader(cluster, a_source("no-such-topic")):
            pass

    with pytest.raises(SourceError, match="no-such-topic"):
        asyncio.run(run())


def test_a_paused_partition_is_not_fetched_until_it_is_resumed(cluster: Cluster) -> None:
    topic = cluster.new_topic()

    async def run() -> None:
        async with Reader(cluster, a_source(topic)) as reader:
            reader.feed.pause(Partition(topic, 0))
            await asyncio.to_thread(cluster.produce, topic, "wakes the poll", partition=1)
            await reader.read(1)
            await asyncio.to_thread(cluster.produce, topic, "a")
            await asyncio.to_thread(cluster.produce, topic, "b", partition=1)
            assert await reader.read(2) == [(1, 0), (1, 1)]
            reader.feed.resume(Partition(topic, 0))
            assert await reader.read(3) == [(0, 0), (1, 0), (1, 1)]

    asyncio.run(run())


def test_a_record_arrives_within_milliseconds(cluster: Cluster) -> None:
    topic = cluster.new_topic(4)

    async def run() -> list[float]:
        sent: list[float] = []
        async with Reader(cluster, a_source(topic)) as reader:
            for number in range(60):
                await asyncio.to_thread(cluster.produce, topic, "v", partition=number % 4)
                sent.append(time.time())  # when the broker has acknowledged it
                await reader.read(number + 1)
            return [at - acked for at, acked in zip(reader.arrivals, sent, strict=True)]

    # Far above what it takes, far below what it would if records waited for the next poll.
    assert statistics.median(asyncio.run(run())) < LONG_POLL_MS / 1000 / 2


def test_an_idle_source_asks_its_broker_seldom(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = cluster.new_topic(4)
    polls = 0

    class CountingConsumer(KafkaConsumer):  # type: ignore[misc] # kafka-python has no types
        def poll(self, *arguments: object, **options: object) -> object:
            nonlocal polls
            polls += 1
            return super().poll(*arguments, **options)

    monkeypatch.setattr(consumer, "KafkaConsumer", CountingConsumer)

    async def run() -> int:
        async with Reader(cluster, a_source(topic)):
            await asyncio.sleep(2)  # to notice a broker that answers at once
            before = polls
            await asyncio.sleep(2)
            return polls - before

    assert 0 < asyncio.run(run()) <= 2 / LONGEST_PACE_SECONDS + 1


def test_records_that_fail_go_to_a_topic_with_their_keys(cluster: Cluster) -> None:
    topic, failed = cluster.new_topic(1), cluster.new_topic(1)
    cluster.producer.send(topic, b"poison", key=b"order-1", headers=[("h", b"1")]).get(10)
    lines: list[str] = []

    async def fail(_: bytes) -> Invocation:
        return FAILED

    async def run() -> None:
        destinations = FailureDestinations(
            aws_endpoint="127.0.0.1:1", bootstrap_servers=cluster.servers
        )
        source = KafkaEventSource(
            "OrderDetails",
            a_source(topic, retries=0, on_failure=f"kafka://{failed}"),
            bootstrap_servers=cluster.servers,
            invoke=fail,
            destinations=destinations,
            log=lines.append,
            log_error=lines.append,
        )
        await source.start()
        await until(lambda: any("RetryAttemptsExhausted" in line for line in lines))
        await source.close()
        await destinations.close()

    asyncio.run(run())
    with KafkaConsumer(
        failed, bootstrap_servers=cluster.servers, auto_offset_reset="earliest"
    ) as consumer:
        message = next(consumer)
    body = json.loads(message.value)
    assert message.key == b"order-1"
    assert body["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert body["requestContext"]["approximateInvokeCount"] == 1
    assert body["KafkaBatchInfo"]["batchSize"] == 1
    (record,) = body["payload"]["records"][f"{topic}-0"]
    assert (record["offset"], record["value"]) == (0, "cG9pc29u")
    assert record["headers"] == [{"h": [49]}]


def require_topic_ids(cluster: Cluster, topic: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=cluster.servers)
    (described,) = admin.describe_topics([topic])
    admin.close()
    if not described.get("topic_id"):
        pytest.skip("this broker gives its topics no ids")


def test_a_position_in_a_topic_that_was_replaced_is_none(cluster: Cluster) -> None:
    topic = cluster.new_topic(1)
    require_topic_ids(cluster, topic)
    cluster.produce(topic, *"defgh")  # more than there were: the old position is one of the new
    source = a_source(topic)
    with contextlib.closing(
        KafkaConsumer(bootstrap_servers=cluster.servers, group_id=source.group)
    ) as other:
        # Kafka forgets a topic's positions some time after the topic.
        of_another = OffsetAndMetadata(3, str(uuid.uuid4()), -1)
        other.commit({TopicPartition(topic, 0): of_another})

    async def read() -> Reader:
        async with Reader(cluster, source) as reader:
            await reader.read(5)
        return reader

    reader = asyncio.run(read())
    assert reader.offsets == [(0, offset) for offset in range(5)]
    (line,) = reader.errors
    assert line.startswith(f"topic {topic} was deleted and made anew since {source.group} read it")
    assert asyncio.run(read()).errors == [], "the position that was committed is of the new topic"


def test_a_mapping_goes_on_with_the_topic_that_replaces_its_own(cluster: Cluster) -> None:
    topic = cluster.new_topic(1)
    require_topic_ids(cluster, topic)
    cluster.produce(topic, *"abc")
    seen: list[str] = []
    errors: list[str] = []

    async def invoke(payload: bytes) -> Invocation:
        for records in json.loads(payload)["records"].values():
            seen.extend(base64.b64decode(record["value"]).decode() for record in records)
        return DONE

    async def run() -> None:
        mapping = KafkaEventSource(
            "OrderDetails",
            a_source(topic),
            bootstrap_servers=cluster.servers,
            invoke=invoke,
            destinations=FailureDestinations(
                aws_endpoint="127.0.0.1:1", bootstrap_servers=cluster.servers
            ),
            log=lambda _: None,
            log_error=errors.append,
        )
        await mapping.start()
        await until(lambda: len(seen) == 3)
        await asyncio.to_thread(cluster.replace, topic)
        await asyncio.to_thread(cluster.produce, topic, *"defgh")
        await until(lambda: seen[-1] == "h")
        await mapping.close()

    asyncio.run(run())
    assert "".join(seen).endswith("defgh")
    assert "was deleted and made anew" in errors[-1]


def test_a_restarted_mapping_repeats_only_what_was_not_done(cluster: Cluster) -> None:
    topic = cluster.new_topic(1)
    cluster.produce(topic, *"abcdef")
    seen: list[int] = []

    def a_mapping(stop_at: int | None) -> KafkaEventSource:
        async def invoke(payload: bytes) -> Invocation:
            offsets = [
                record["offset"]
                for records in json.loads(payload)["records"].values()
                for record in records
            ]
            if stop_at in offsets:
                await asyncio.sleep(60)  # until it is cancelled
            seen.extend(offsets)
            return DONE

        return KafkaEventSource(
            "OrderDetails",
            a_source(topic, batch_size=2),
            bootstrap_servers=cluster.servers,
            invoke=invoke,
            destinations=FailureDestinations(
                aws_endpoint="127.0.0.1:1", bootstrap_servers=cluster.servers
            ),
            log=lambda _: None,
            log_error=lambda _: None,
        )

    async def run(stop_at: int | None, count: int) -> None:
        mapping = a_mapping(stop_at)
        await mapping.start()
        await until(lambda: len(seen) >= count)
        await mapping.close()

    asyncio.run(run(4, 4))
    assert seen == [0, 1, 2, 3]
    asyncio.run(run(None, 6))
    assert seen == [0, 1, 2, 3, 4, 5]


# kafka-python leaves sockets that could not connect to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_broker_that_dies_and_comes_back_loses_and_repeats_nothing(
    cluster: Cluster, kafka: Kafka, background: Background
) -> None:
    topic = cluster.new_topic(2)
    cluster.produce(topic, "a", "b")

    async def run() -> list[str]:
        async with Reader(cluster, a_source(topic)) as reader:
            await reader.read(2)
            background.run(kafka.child.stop())
            await until(lambda: reader.lines)
            background.run(kafka.child.start())
            await until(lambda: "is back" in reader.lines[-1])
            after = Cluster(kafka.servers)
            await asyncio.to_thread(after.produce, topic, "c")
            after.producer.close()
            assert await reader.read(3) == [(0, 0), (0, 1), (0, 2)]
            return reader.lines

    lines = asyncio.run(run())
    gc.collect()
    # It may go once more while it starts, but is never twice gone or twice back.
    assert ["cannot be reached" in line for line in lines[::2]] == [True] * (len(lines) // 2)
    assert ["is back" in line for line in lines[1::2]] == [True] * (len(lines) // 2)
