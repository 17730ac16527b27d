"""Batches of made records, as an event source brings them, for projectors in this process."""

from __future__ import annotations

import base64
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from infra.contracts.functions import files_of
from ordering.delivery.envelope import write_watermark
from ordering.domain.events import OrderPlaced
from ordering.domain.evolution import evolve
from ordering.domain.evolution import record as record_events
from ordering.read_side.query import READ_MODELS
from tests.domain.vocabulary import NOW, an_order_was_placed
from tests.shared import write_record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ordering.domain.events import OrderEvent
    from ordering.domain.recorded import Recorded
    from ordering.read_side.projection import ProjectorFunction
    from ordering.runtime.postgres import Database

PROJECTORS: list[ProjectorFunction] = [file.handler for file in files_of("projectors")]


def new_order() -> str:
    return str(uuid.uuid4())


def record_of(order_id: str, version: int, event: OrderEvent, at: datetime = NOW) -> bytes:
    """Write one event's record; what happened before it is the placing alone."""
    before = None if isinstance(event, OrderPlaced) else evolve(None, an_order_was_placed())
    (recorded,), _ = record_events(before, [event])
    return _record(order_id, version, recorded, at)


def records_of(
    order_id: str, events: Iterable[OrderEvent], at: Iterable[datetime] = ()
) -> list[bytes | None]:
    """Write the records of all that happened to an order, each at its time or at one for all."""
    recorded, _ = record_events(None, [*events])
    times = [*at] or [NOW] * len(recorded)
    return [
        _record(order_id, version, each, time)
        for version, (each, time) in enumerate(zip(recorded, times, strict=True), start=1)
    ]


def _record(order_id: str, version: int, recorded: Recorded, at: datetime) -> bytes:
    name, schema_version = type(recorded.fact).__name__, recorded.fact.schema_version
    data = recorded.data()
    return write_record(name, schema_version, data, order_id=order_id, version=version, at=at)


def ago(seconds: float) -> datetime:
    """Return a time so many seconds ago; below 0 it is in the future."""
    return datetime.now(UTC) - timedelta(seconds=seconds)


def watermark(as_of: datetime, partitions: int = 1, **data: object) -> bytes:
    """Write a watermark whose data may have more than the relay writes today."""
    record = json.loads(write_watermark(as_of, partitions))
    record["data"] |= data
    return json.dumps(record).encode()


def key_of(value: bytes | None) -> str | None:
    """Return the key that the relay gives the record, as the event has it."""
    try:
        record = json.loads(value or b"")
    except ValueError:
        return None
    key = record.get("partitionkey")
    return key and base64.b64encode(key.encode()).decode()


def batch(partitions: Mapping[int, list[bytes | None]], first_offset: int = 0) -> dict[str, Any]:
    return {
        "eventSource": "aws:kafka",
        "records": {
            f"ordering.orders-{partition}": [
                {
                    "topic": "ordering.orders",
                    "partition": partition,
                    "offset": offset,
                    "key": key_of(value),
                    "value": None if value is None else base64.b64encode(value).decode(),
                    "headers": [],
                }
                for offset, value in enumerate(values, start=first_offset)
            ]
            for partition, values in partitions.items()
        },
    }


def already_read(database: Database, partition: int, next_offset: int) -> None:
    """Set how far the projections have got in the partition."""
    database.rows(
        "insert into watermarks (projection, partition, next_offset)"
        " select name, %(partition)s, %(next)s"
        " from unnest(%(read_models)s::text[]) as name",
        {"partition": partition, "next": next_offset, "read_models": list(READ_MODELS)},
    )


def apply(database: Database, event: dict[str, Any]) -> list[tuple[str, int]]:
    """Give every projector the batch; answer where they stopped, which must be the same."""
    failures = []
    for function in PROJECTORS:
        answer = function.using(database)(event, None)
        failures.append(
            [
                (f["itemIdentifier"]["partition"], f["itemIdentifier"]["offset"])
                for f in answer["batchItemFailures"]
            ]
        )
    assert all(failure == failures[0] for failure in failures)
    return failures[0]
