"""The record on the topic: one CloudEvents 1.0 JSON object (structured mode) per event.

``id`` is ``<order id>/<version>``, ``sequence`` the version, ``partitionkey`` the order id. A
watermark is a record of its own type, on every partition.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from ordering.ids import order_id_of
from ordering.recorded import UnknownEventError, parse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordering.events import OrderEvent
    from ordering.recorded import After

CONTENT_TYPE: Final = "application/cloudevents+json"
SOURCE: Final = "ordering"
_EVENT_TYPE: Final = re.compile(r"ordering\.order\.([A-Za-z]+)\.v([1-9][0-9]*)", re.ASCII)
WATERMARK_TYPE: Final = "ordering.watermark.v1"


class BadRecordError(ValueError):
    """A record on the topic that this code cannot read; the message says what is wrong."""


@dataclass(frozen=True)
class PublishedEvent:
    """One event as a reader gets it: the fact and what followed from it."""

    order_id: str
    version: int
    time: datetime
    actor: str
    correlation_id: str
    traceparent: str
    fact: OrderEvent
    after: After


@dataclass(frozen=True)
class Watermark:
    """Every command acknowledged before ``as_of`` is in this partition before this record."""

    as_of: datetime
    partitions: int


def write_event(
    *,
    order_id: str,
    version: int,
    event_type: str,
    schema_version: int,
    data: str,
    metadata: Mapping[str, Any],
    recorded_at: datetime,
) -> bytes:
    """Give the record's value. ``data`` is JSON already and goes out as it is."""
    attributes = {
        "specversion": "1.0",
        "id": f"{order_id}/{version}",
        "source": SOURCE,
        "type": f"ordering.order.{event_type}.v{schema_version}",
        "subject": order_id,
        "time": recorded_at.isoformat(),
        "datacontenttype": "application/json",
        "dataschema": f"urn:ordering:events:{event_type}:{schema_version}",
        "sequence": str(version),
        "partitionkey": order_id,
        "actor": metadata.get("actor") or "",
        "correlationid": metadata.get("correlation_id") or "",
        "causationid": metadata.get("causation_id") or "",
        "traceparent": metadata.get("traceparent") or "",
    }
    return f'{json.dumps(attributes, ensure_ascii=False)[:-1]}, "data": {data}}}'.encode()


def write_watermark(as_of: datetime, partitions: int) -> bytes:
    """Give the value of a watermark record."""
    return json.dumps(
        {
            "specversion": "1.0",
            "id": f"watermark/{as_of.isoformat()}",
            "source": SOURCE,
            "type": WATERMARK_TYPE,
            "time": as_of.isoformat(),
            "datacontenttype": "application/json",
            "data": {"as_of": as_of.isoformat(), "partitions": partitions},
        }
    ).encode()


def read(value: bytes) -> PublishedEvent | Watermark:
    """Read a record's value.

    Raises:
        BadRecordError: not a CloudEvent of ours, or its data does not fit its schema.
    """
    try:
        record = json.loads(value)
        if record["type"] == WATERMARK_TYPE:
            data = record["data"]
            return Watermark(datetime.fromisoformat(data["as_of"]), int(data["partitions"]))
        match = _EVENT_TYPE.fullmatch(record["type"])
        order_id = order_id_of(record["subject"])
        if match is None or order_id is None:
            raise BadRecordError(f"not an order's event: {record['type']!r} {record['subject']!r}")
        recorded = parse(match[1], int(match[2]), record["data"])
        return PublishedEvent(
            order_id=order_id,
            version=int(record["sequence"]),
            time=datetime.fromisoformat(record["time"]),
            actor=record.get("actor", ""),
            correlation_id=record.get("correlationid", ""),
            traceparent=record.get("traceparent", ""),
            fact=recorded.fact,
            after=recorded.after,
        )
    except UnknownEventError as error:
        raise BadRecordError(str(error)) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        # pydantic's ValidationError is a ValueError.
        raise BadRecordError(f"{type(error).__name__}: {error}") from error
