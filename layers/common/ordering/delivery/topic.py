"""The Kafka topic as the relay writes it: each order's events in version order, acknowledged.

Only the relay imports this module; kafka-python takes 150 ms to import.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Final

from kafka import KafkaProducer
from kafka.errors import (
    CorruptRecordError,
    InvalidRecordError,
    InvalidTimestampError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)

from ordering.runtime.observability import logger
from ordering.runtime.settings import IAM, Relay

from .bus import BusUnavailableError, Delivery
from .envelope import CONTENT_TYPE, write_watermark

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

MAX_REQUEST_BYTES: Final = 1_048_576
"""The largest record that the producer sends, with key and headers.

An event with the most data that a command can make (900,000 bytes) and its envelope must fit, and
the topic must take what the producer sends: max.message.bytes of OrdersTopic in template.yaml.
"""
_BOOTSTRAP_MS: Final = 3_000
_DELIVERY_MS: Final = 4_000
_ONE_BY_ONE_SECONDS: Final = 2.0
"""How long records are tried one by one; the lease has to be renewed then."""
_HEADERS: Final = [("content-type", CONTENT_TYPE.encode())]
_REFUSALS: Final = (
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    InvalidRecordError,
    InvalidTimestampError,
    CorruptRecordError,
)
"""Errors about a record's content. Sent again as it is, the record fails again."""


class Topic:
    """A producer for one topic, opened at the first record and anew after each failure."""

    def __init__(self, settings: Relay) -> None:
        self._settings = settings
        self._opened: KafkaProducer | None = None

    def connect(self) -> None:
        """Open the producer, if it is not open, and look the topic up.

        Raises:
            BusUnavailableError: no broker answers, or the topic is not there.
        """
        self._partitions()

    def publish(self, records: Sequence[tuple[str, bytes]]) -> Delivery:
        """Put (key, value) records on the topic; return when it is known what became of each.

        Kafka refuses a whole batch because of one record, and kafka-python then fails all that it
        has not sent yet with the same error. These records are tried one by one, so that only
        those with a fault of their own are refused.
        """
        one_by_one_until = time.monotonic() + _ONE_BY_ONE_SECONDS
        delivery = Delivery()
        suspects = self._send(records, range(len(records)), delivery)
        if len(suspects) > 1:
            for number in list(suspects):
                if delivery.failure or time.monotonic() >= one_by_one_until:
                    return delivery
                suspects = self._send(records, [number], delivery)
                self._convict(suspects, delivery)
        elif delivery.failure is None:
            self._convict(suspects, delivery)
        return delivery

    def publish_watermark(self, as_of: datetime, withheld: int) -> None:
        """Put a watermark on every partition and wait until all are acknowledged.

        Raises:
            BusUnavailableError: at least one was not acknowledged.
        """
        partitions = self._partitions()
        try:
            pending = [
                self._producer().send(
                    self._settings.kafka_topic,
                    value=write_watermark(
                        as_of, len(partitions), partition=partition, withheld=withheld
                    ),
                    partition=partition,
                    headers=_HEADERS,
                )
                for partition in partitions
            ]
            for acknowledgement in pending:
                acknowledgement.get(timeout=_DELIVERY_MS / 1000 + 1)
        except Exception as error:
            raise self._failure(error) from error

    def close(self) -> None:
        """Drop the connection; what was not acknowledged is not waited for."""
        opened, self._opened = self._opened, None
        if opened is not None:
            # It does not close while records are pending, and these it gives up in its own time.
            threading.Thread(target=_close, args=(opened,), daemon=True).start()

    def _partitions(self) -> list[int]:
        try:
            return sorted(self._producer().partitions_for(self._settings.kafka_topic))
        except Exception as error:
            raise self._failure(error) from error

    def _send(
        self, records: Sequence[tuple[str, bytes]], numbers: Iterable[int], delivery: Delivery
    ) -> dict[int, KafkaError]:
        """Send these records and note in ``delivery`` what became of each.

        Return those that were refused together, with the error of each: not all need be at fault.
        """
        suspects: dict[int, KafkaError] = {}
        pending = {}
        trouble: Exception | None = None
        try:
            producer = self._producer()
            for number in numbers:
                key, value = records[number]
                try:
                    pending[number] = producer.send(
                        self._settings.kafka_topic,
                        key=key.encode(),
                        value=value,
                        headers=_HEADERS,
                    )
                except MessageSizeTooLargeError as error:
                    # Rejected before sending; the producer stays usable.
                    delivery.refused[number] = _reason(error)
        except Exception as error:  # noqa: BLE001 - kafka-python raises more than KafkaError
            trouble = error
        until = time.monotonic() + _DELIVERY_MS / 1000 + 1
        for number, acknowledgement in pending.items():
            try:
                acknowledgement.get(timeout=max(until - time.monotonic(), 0))
            except Exception as error:  # noqa: BLE001 - as above
                if isinstance(error, _REFUSALS) or type(error) is KafkaError:
                    suspects[number] = error
                else:
                    trouble = trouble or error
            else:
                delivery.acknowledged.append(number)
        if trouble is not None:
            delivery.failure = self._failure(trouble)
        elif suspects:
            # A refusal is fatal to an idempotent producer of kafka-python: it fails ever after.
            self.close()
        return suspects

    def _convict(self, suspects: dict[int, KafkaError], delivery: Delivery) -> None:
        """Note the record that was refused although it was sent alone."""
        for number, error in suspects.items():
            if isinstance(error, _REFUSALS):
                delivery.refused[number] = _reason(error)
            else:
                delivery.failure = self._failure(error)

    def _failure(self, error: Exception) -> BusUnavailableError:
        """Close the producer, which may have lost its place in the sequence; return the failure."""
        self.close()
        if not isinstance(error, KafkaError | OSError):
            logger.error("kafka-python failed", exc_info=error)
        failure = BusUnavailableError(_reason(error))
        failure.__cause__ = error
        return failure

    def _producer(self) -> KafkaProducer:
        if self._opened is None:
            security = (
                {"security_protocol": "SASL_SSL", "sasl_mechanism": "AWS_MSK_IAM"}
                if self._settings.kafka_authentication == IAM
                else {}
            )
            self._opened = KafkaProducer(
                bootstrap_servers=self._settings.kafka_bootstrap_servers.split(","),
                client_id="ordering-relay",
                acks="all",
                enable_idempotence=True,
                linger_ms=0,
                # When Kafka refuses a record, kafka-python fails the requests that are under way
                # too, although Kafka may have appended them: there is only one at a time.
                max_in_flight_requests_per_connection=1,
                max_request_size=MAX_REQUEST_BYTES,
                bootstrap_timeout_ms=_BOOTSTRAP_MS,
                max_block_ms=_BOOTSTRAP_MS,
                # A broker that is back is noticed within half a second.
                reconnect_backoff_max_ms=500,
                request_timeout_ms=_DELIVERY_MS - 1_000,
                delivery_timeout_ms=_DELIVERY_MS,
                **security,
            )
        return self._opened


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _close(producer: KafkaProducer) -> None:
    with contextlib.suppress(Exception):
        producer.close(timeout=2 * _DELIVERY_MS / 1000)
