"""The topic as the relay writes it, when Kafka does not take what is sent."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from kafka.errors import (
    CorruptRecordError,
    InvalidRecordError,
    InvalidTimestampError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    NotLeaderForPartitionError,
    RecordListTooLargeError,
)

from ordering.delivery import topic as module
from ordering.delivery.bus import BusUnavailableError
from ordering.delivery.topic import Topic
from ordering.runtime.settings import Relay

if TYPE_CHECKING:
    from collections.abc import Callable

SETTINGS = Relay("", "nowhere:9092", "ordering.orders", kafka_authentication="none")
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Sent:
    """A record under way: acknowledged, or not."""

    def __init__(self, error: Exception | None) -> None:
        self._error = error

    def get(self, timeout: float) -> None:
        assert timeout > 0
        if self._error:
            raise self._error


class Producer:
    """Fails as told, and like kafka-python's does not close while records are pending."""

    made: list[Producer]
    error_of: Callable[[Producer, bytes], Exception | None]
    may_close: threading.Event

    def __init__(self, **_: object) -> None:
        self.values: list[bytes] = []
        self.closed = threading.Event()
        self.made.append(self)

    def partitions_for(self, _topic: str) -> set[int]:
        return {0, 1}

    def send(self, _topic: str, *, value: bytes, **_: object) -> Sent:
        self.values.append(value)
        error = type(self).error_of(self, value)
        if isinstance(error, MessageSizeTooLargeError) and "max_request_size" in str(error):
            raise error
        return Sent(error)

    def close(self, timeout: float) -> None:
        self.may_close.wait(timeout)
        self.closed.set()
        raise KafkaTimeoutError


class Kafka:
    """The producers made, and how the next records fare."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.producers: list[Producer] = []
        self.may_close = threading.Event()
        members: dict[str, Any] = {
            "made": self.producers,
            "error_of": lambda _, value: self.error_of(value),
            "may_close": self.may_close,
        }
        monkeypatch.setattr(module, "KafkaProducer", type("Made", (Producer,), members))
        self.error_of: Callable[[bytes], Exception | None] = lambda _: None


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Kafka:
    return Kafka(monkeypatch)


def records(*values: bytes) -> list[tuple[str, bytes]]:
    return [(f"order-{number}", value) for number, value in enumerate(values)]


def test_after_a_failure_another_producer_goes_on_and_the_first_is_closed_in_its_time(
    kafka: Kafka,
) -> None:
    topic = Topic(SETTINGS)
    kafka.error_of = lambda _: NotLeaderForPartitionError()
    failure = topic.publish(records(b"1")).failure
    assert "NotLeader" in str(failure)
    kafka.error_of = lambda _: None
    assert topic.publish(records(b"1", b"2")).acknowledged == [0, 1]
    failed, other = kafka.producers
    assert other.values == [b"1", b"2"]
    assert not failed.closed.is_set()
    kafka.may_close.set()
    assert failed.closed.wait(10)


def test_what_was_acknowledged_before_and_after_a_failure_is_told(kafka: Kafka) -> None:
    kafka.error_of = lambda value: KafkaTimeoutError() if value == b"2" else None
    delivery = Topic(SETTINGS).publish(records(b"1", b"2", b"3"))
    assert (delivery.acknowledged, delivery.refused) == ([0, 2], {})
    assert isinstance(delivery.failure, BusUnavailableError)


REFUSALS = [
    MessageSizeTooLargeError("the broker's limit"),
    RecordListTooLargeError(),
    InvalidRecordError("no key"),
    InvalidTimestampError(),
    CorruptRecordError(),
]


@pytest.mark.parametrize("error", REFUSALS, ids=lambda error: type(error).__name__)
def test_the_record_that_is_refused_is_named_and_the_others_are_sent(
    kafka: Kafka, error: KafkaError
) -> None:
    """The whole batch fails, each innocent record with the same error or with a bare one."""
    part_of_a_batch = KafkaError("it was part of a batch which had one more more invalid records")

    def error_of(value: bytes) -> Exception | None:
        together: dict[bytes, Exception] = {b"1": error, b"2": part_of_a_batch}
        alone: dict[bytes, Exception] = {b"guilty": error}
        return (together | alone if len(kafka.producers) == 1 else alone).get(value)

    kafka.error_of = error_of
    topic = Topic(SETTINGS)
    delivery = topic.publish(records(b"0", b"1", b"guilty", b"2"))
    assert sorted(delivery.acknowledged) == [0, 1, 3]
    assert delivery.refused == {2: f"{type(error).__name__}: {error}"}
    assert delivery.failure is None
    sent = [value for producer in kafka.producers for value in producer.values]
    assert sent == [b"0", b"1", b"guilty", b"2", b"1", b"guilty", b"2"]
    # kafka-python's idempotent producer is of no use after a refusal.
    assert topic.publish(records(b"3")).acknowledged == [0]
    assert [len(producer.values) for producer in kafka.producers] == [4, 2, 2]


def test_a_record_that_fails_alone_is_not_tried_twice(kafka: Kafka) -> None:
    kafka.error_of = lambda value: InvalidRecordError() if value == b"guilty" else None
    delivery = Topic(SETTINGS).publish(records(b"0", b"guilty"))
    assert (delivery.acknowledged, list(delivery.refused)) == ([0], [1])
    assert len(kafka.producers) == 1


def test_a_record_over_the_producers_own_limit_is_refused_without_a_new_producer(
    kafka: Kafka,
) -> None:
    too_large = MessageSizeTooLargeError("larger than max_request_size")
    kafka.error_of = lambda value: too_large if value == b"guilty" else None
    topic = Topic(SETTINGS)
    delivery = topic.publish(records(b"guilty", b"1"))
    assert (delivery.acknowledged, list(delivery.refused), delivery.failure) == ([1], [0], None)
    topic.publish(records(b"2"))
    assert len(kafka.producers) == 1


def test_when_the_bus_fails_while_records_are_tried_one_by_one_nothing_else_is_refused(
    kafka: Kafka,
) -> None:
    too_large: Exception = MessageSizeTooLargeError()
    silent: Exception = KafkaTimeoutError()

    def error_of(value: bytes) -> Exception | None:
        if len(kafka.producers) == 1:
            return too_large
        return silent if value == b"2" else None

    kafka.error_of = error_of
    delivery = Topic(SETTINGS).publish(records(b"1", b"2", b"3"))
    assert (delivery.acknowledged, delivery.refused) == ([0], {})
    assert isinstance(delivery.failure, BusUnavailableError)


def test_without_time_left_records_are_neither_acknowledged_nor_refused(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ONE_BY_ONE_SECONDS", 0)
    kafka.error_of = lambda _: MessageSizeTooLargeError()
    delivery = Topic(SETTINGS).publish(records(b"1", b"2"))
    assert (delivery.acknowledged, delivery.refused, delivery.failure) == ([], {}, None)


@pytest.mark.parametrize(
    "error", [ValueError("x"), AssertionError("x"), OSError("x"), KeyError("x"), KafkaError("x")]
)
def test_whatever_the_client_raises_means_that_the_bus_is_not_available(
    kafka: Kafka, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    kafka.error_of = lambda _: error
    topic = Topic(SETTINGS)
    failure = topic.publish(records(b"1")).failure
    assert failure is not None
    assert type(error).__name__ in str(failure)
    with pytest.raises(BusUnavailableError):
        topic.publish_watermark(NOW, 0)

    def raise_error(**_: object) -> None:
        raise error

    monkeypatch.setattr(module, "KafkaProducer", raise_error)
    assert topic.publish(records(b"1")).failure is not None
    for use in (topic.connect, lambda: topic.publish_watermark(NOW, 0)):
        with pytest.raises(BusUnavailableError):
            use()


def test_a_refused_watermark_means_that_the_bus_is_not_available(kafka: Kafka) -> None:
    kafka.error_of = lambda _: MessageSizeTooLargeError()
    with pytest.raises(BusUnavailableError):
        Topic(SETTINGS).publish_watermark(NOW, 0)
