"""The Kafka topic as the relay writes it: each order's events in version order, acknowledged.

Only the relay imports this module; kafka-python takes 150 ms to import.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any, Final

from kafka import KafkaProducer
from kafka.errors import KafkaError

from ordering.settings import IAM, Relay

from .envelope import CONTENT_TYPE, write_watermark

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

_BOOTSTRAP_MS: Final = 3_000
_DELIVERY_MS: Final = 4_000
_HEADERS: Final = [("content-type", CONTENT_TYPE.encode())]


class BusUnavailableError(Exception):
    """Kafka did not acknowledge. The records may or may not be in the topic."""


class Topic:
    """A producer for one topic, opened at the first record and anew after each failure."""

    def __init__(self, settings: Relay) -> None:
        self._settings = settings
        self._opened: KafkaProducer | None = None

    def publish(self, records: Sequence[tuple[str, bytes]]) -> None:
        """Put (key, value) records on the topic and wait until all are acknowledged.

        Raises:
            BusUnavailableError: at least one record was not acknowledged.
        """
        self._send(
            {"key": key.encode(), "value": value, "headers": _HEADERS} for key, value in records
        )

    def publish_watermark(self, as_of: datetime) -> None:
        """Put a watermark on every partition and wait until all are acknowledged.

        Raises:
            BusUnavailableError: at least one was not acknowledged.
        """
        partitions = self._partitions()
        value = write_watermark(as_of, len(partitions))
        self._send(
            {"value": value, "partition": partition, "headers": _HEADERS}
            for partition in partitions
        )

    def close(self) -> None:
        """Drop the connection; what was not acknowledged is not waited for."""
        opened, self._opened = self._opened, None
        if opened is not None:
            # It does not close while records are pending, and these it gives up in its own time.
            threading.Thread(target=_close, args=(opened,), daemon=True).start()

    def _partitions(self) -> list[int]:
        try:
            return sorted(self._producer().partitions_for(self._settings.kafka_topic))
        except KafkaError as error:
            self.close()
            raise BusUnavailableError(str(error)) from error

    def _send(self, records: Iterable[dict[str, Any]]) -> None:
        try:
            producer = self._producer()
            pending = [producer.send(self._settings.kafka_topic, **record) for record in records]
            for future in pending:
                future.get(timeout=_DELIVERY_MS / 1000 + 1)
        except KafkaError as error:
            # A producer whose batch failed may have lost its place in the sequence: take a new one.
            self.close()
            raise BusUnavailableError(f"{type(error).__name__}: {error}") from error

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
                bootstrap_timeout_ms=_BOOTSTRAP_MS,
                max_block_ms=_BOOTSTRAP_MS,
                request_timeout_ms=_DELIVERY_MS - 1_000,
                delivery_timeout_ms=_DELIVERY_MS,
                **security,
            )
        return self._opened


def _close(producer: KafkaProducer) -> None:
    with contextlib.suppress(KafkaError):
        producer.close(timeout=2 * _DELIVERY_MS / 1000)
