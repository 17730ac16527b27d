"""The topic as the relay writes it, when Kafka does not take what is sent."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from kafka.errors import KafkaTimeoutError, NotLeaderForPartitionError

from ordering.delivery import topic as module
from ordering.delivery.topic import BusUnavailableError, Topic
from ordering.settings import Relay

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTINGS = Relay("", "nowhere:9092", "ordering.orders", kafka_authentication="none")


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
    errors: Iterator[Exception | None]
    may_close: threading.Event

    def __init__(self, **_: object) -> None:
        self.values: list[bytes] = []
        self.closed = threading.Event()
        self.made.append(self)

    def send(self, _topic: str, *, value: bytes, **_: object) -> Sent:
        self.values.append(value)
        return Sent(next(self.errors))

    def close(self, timeout: float) -> None:
        self.may_close.wait(timeout)
        self.closed.set()
        raise KafkaTimeoutError


@pytest.fixture
def producers(monkeypatch: pytest.MonkeyPatch) -> list[Producer]:
    made: list[Producer] = []
    members: dict[str, Any] = {
        "made": made,
        "errors": iter([NotLeaderForPartitionError(), None, None]),
        "may_close": threading.Event(),
    }
    monkeypatch.setattr(module, "KafkaProducer", type("Made", (Producer,), members))
    return made


def test_after_a_failure_another_producer_goes_on_and_the_first_is_closed_in_its_time(
    producers: list[Producer],
) -> None:
    topic = Topic(SETTINGS)
    with pytest.raises(BusUnavailableError, match="NotLeader"):
        topic.publish([("order", b"1")])
    topic.publish([("order", b"1"), ("order", b"2")])
    failed, other = producers
    assert other.values == [b"1", b"2"]
    assert not failed.closed.is_set()
    failed.may_close.set()
    assert failed.closed.wait(10)
