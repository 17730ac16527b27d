"""Kafka records as Lambda's event-source mapping hands them to a function.

The format is the one of Amazon MSK events: keys, values in base64, `null` for an absent key and for
a tombstone's value, header values as lists of signed bytes.
"""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from infra.local.lambdas.invocation import MAX_PAYLOAD_BYTES

if TYPE_CHECKING:
    from kafka.consumer.fetcher import ConsumerRecord

_TIMESTAMP_TYPES: Final = {0: "CREATE_TIME", 1: "LOG_APPEND_TIME"}


class Partition(NamedTuple):
    """One partition of one topic; equal to kafka-python's TopicPartition of the same."""

    topic: str
    number: int

    @property
    def name(self) -> str:
        """How events and partial batch responses name it, for example `ordering.orders-0`."""
        return f"{self.topic}-{self.number}"


@dataclass(frozen=True, slots=True)
class Record:
    """A record that waits for its invocation.

    `timestamp` is in milliseconds since 1970, `encoded` the record's JSON as the event carries it,
    `arrived` the time.monotonic() at which it was fetched.
    """

    offset: int
    timestamp: int
    key: bytes | None
    encoded: bytes
    arrived: float


Fetched = Sequence[tuple[Partition, list[Record]]]
"""Newly fetched records, each partition's in offset order."""


class SourceError(Exception):
    """The mapping cannot work as it is configured."""


class RecordFeed(Protocol):
    """Where a mapping gets its records from. All methods are called on the event loop."""

    async def open(self) -> Sequence[Partition]:
        """Connect, and give the partitions that records will be of."""

    def begin(self, deliver: Callable[[Fetched], None], broke: Callable[[Exception], None]) -> None:
        """Deliver from now on. What `deliver` raises is logged, and the records come again.

        `broke` is called once, with the reason, when no more records will come.
        """

    def pause(self, partition: Partition) -> None:
        """Stop fetching this partition for now; what is on its way still arrives."""

    def resume(self, partition: Partition) -> None:
        """Fetch it again."""

    def commit(self, partition: Partition, offset: int) -> None:
        """Keep that everything before `offset` is done, soon."""

    async def close(self) -> None:
        """Stop delivering, once what was to commit is committed."""


def encode(record: ConsumerRecord) -> Record:
    """Put a record, as kafka-python fetched it, into the shape of the event."""
    event = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "timestampType": _TIMESTAMP_TYPES.get(record.timestamp_type, "NO_TIMESTAMP_TYPE"),
        "key": _base64(record.key),
        "value": _base64(record.value),
        "headers": [
            # The event is made in Java, where a byte is signed: -128 to 127.
            {name: memoryview(value or b"").cast("b").tolist()}
            for name, value in record.headers
        ],
    }
    return Record(
        offset=record.offset,
        timestamp=record.timestamp,
        key=record.key,
        encoded=json.dumps(event, separators=(",", ":")).encode(),
        arrived=time.monotonic(),
    )


def _base64(data: bytes | None) -> str | None:
    return None if data is None else b64encode(data).decode()


class EventFormat:
    """Composes the payloads of one event-source mapping."""

    def __init__(self, stream_arn: str, bootstrap_servers: str) -> None:
        self.stream_arn = stream_arn
        self.bootstrap_servers = bootstrap_servers
        head = {
            "eventSource": "aws:kafka",
            "eventSourceArn": stream_arn,
            "bootstrapServers": bootstrap_servers,
        }
        self._head = json.dumps(head, separators=(",", ":")).encode()[:-1] + b',"records":{'
        self._tail = b"}}"

    def compose(self, batch: Mapping[Partition, Sequence[Record]]) -> bytes:
        """Return the invocation's payload: JSON, the records by partition in offset order."""
        partitions = (
            b"%s:[%s]" % (json.dumps(partition.name).encode(), _join(records))
            for partition, records in batch.items()
        )
        return self._head + b",".join(partitions) + self._tail

    def room(self, partitions: Iterable[Partition]) -> int:
        """Bytes that are left for records when these partitions take part in one payload."""
        frame = sum(len(json.dumps(partition.name)) + len(":[],") for partition in partitions)
        return MAX_PAYLOAD_BYTES - len(self._head) - len(self._tail) - frame


def _join(records: Iterable[Record]) -> bytes:
    return b",".join(record.encoded for record in records)
