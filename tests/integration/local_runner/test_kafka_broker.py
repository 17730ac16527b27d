"""The broker of the stack and its topics, on Apache Kafka and on the embedded one."""

import asyncio
import gc
import os
import signal
import time
import uuid
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

from infra.local.servers.child import StartError
from infra.local.servers.kafka_broker import create_topics
from infra.local.servers.kafka_install import Choice, choose_kafka
from infra.local.servers.kafka_kind import keep_kind, kind_kept
from infra.local.template.model import Topic
from tests.integration.local_runner.conftest import Kafka
from tests.integration.local_runner.lambda_fixtures import until


def a_topic(partitions: int = 3) -> Topic:
    return Topic(f"topic-{uuid.uuid4().hex}", partitions, {"retention.ms": "1209600000"})


def partitions_of(kafka: Kafka, topic: Topic) -> int:
    admin = KafkaAdminClient(bootstrap_servers=kafka.servers)
    try:
        (described,) = admin.describe_topics([topic.name])
    finally:
        admin.close()
    return len(described["partitions"])


def test_a_topic_is_created_once_and_then_kept(kafka: Kafka) -> None:
    topic = a_topic()
    create_topics(kafka.servers, [topic])
    create_topics(kafka.servers, [topic])
    assert partitions_of(kafka, topic) == 3


def test_another_number_of_partitions_is_an_error_that_names_both(kafka: Kafka) -> None:
    topic = a_topic()
    create_topics(kafka.servers, [topic])
    with pytest.raises(StartError, match="has 3 partitions, and the template asks for 4"):
        create_topics(kafka.servers, [Topic(topic.name, 4, {})])


def test_a_cluster_that_is_not_there_is_an_error() -> None:
    with pytest.raises(StartError, match=r"Kafka at 127\.0\.0\.1:9 does not answer"):
        create_topics("127.0.0.1:9", [a_topic()])


# kafka-python leaves sockets that could not connect to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_broker_that_is_killed_comes_back_with_all_that_it_acknowledged(kafka: Kafka) -> None:
    if "java" not in kafka.child.launch.command[0]:
        pytest.skip("the embedded broker saves its memory only now and then")
    topic = a_topic(1)
    create_topics(kafka.servers, [topic])
    producer = KafkaProducer(bootstrap_servers=kafka.servers, acks="all")
    for number in range(100):
        producer.send(topic.name, str(number).encode()).get(timeout=10)
    first = kafka.child.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    producer.close(timeout=0)
    asyncio.run(until(lambda: kafka.child.pid != first, seconds=20))
    asyncio.run(until(lambda: kafka.child.launch.answers(0), seconds=20))
    gc.collect()
    assert values_in(kafka, topic, 100) == [str(number).encode() for number in range(100)]


def values_in(kafka: Kafka, topic: Topic, count: int) -> list[bytes]:
    consumer = KafkaConsumer(bootstrap_servers=kafka.servers)
    partition = TopicPartition(topic.name, 0)
    consumer.assign([partition])
    consumer.seek_to_beginning(partition)
    values: list[bytes] = []
    deadline = time.monotonic() + 10
    while len(values) < count and time.monotonic() < deadline:
        for records in consumer.poll(timeout_ms=100).values():
            values += [record.value for record in records]
    consumer.close()
    return values


@pytest.mark.parametrize("setting", ["kafka", "localhost", "127.0.0.1:port", ""])
def test_a_setting_that_is_no_broker_is_refused(setting: str, tmp_path: Path) -> None:
    with pytest.raises(StartError, match="is not one of auto, apache, embedded, or host:port"):
        asyncio.run(choose_kafka(setting, 1, tmp_path, print))


def test_brokers_that_run_already_are_taken_as_they_are(tmp_path: Path) -> None:
    choice = asyncio.run(choose_kafka("one:9092, two:9092", 1, tmp_path, print))
    assert choice.bootstrap_servers == "one:9092,two:9092"
    assert not choice.runs_here


def test_without_java_the_embedded_broker_is_used_and_it_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    choice = asyncio.run(choose_kafka("auto", 1, tmp_path, print))
    assert choice.kind == "embedded"
    assert "because java (17 or newer) was not found" in choice.description
    with pytest.raises(StartError, match="java"):
        asyncio.run(choose_kafka("apache", 1, tmp_path, print))


def test_a_state_stays_with_the_broker_that_has_its_events(tmp_path: Path) -> None:
    assert kind_kept(tmp_path) is None
    keep_kind(tmp_path, Choice("apache", "127.0.0.1:1", "Apache Kafka"))
    keep_kind(tmp_path, Choice("apache", "127.0.0.1:2", "Apache Kafka"))
    assert kind_kept(tmp_path) == "apache"
    with pytest.raises(StartError, match="KAFKA=apache"):
        keep_kind(tmp_path, Choice("embedded", "127.0.0.1:1", "embedded"))
