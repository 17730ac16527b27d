"""What a reader of the topic gets: the events and watermarks that its records hold."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from ordering.domain.recorded import UnknownEventError, parse
from ordering.runtime.ids import order_id_of

from .envelope import WATERMARK_TYPE

if TYPE_CHECKING:
    from ordering.domain.events import OrderEvent
    from ordering.domain.recorded import After

_EVENT_TYPE: Final = re.compile(r"ordering\.order\.([A-Za-z]+)\.v([1-9][0-9]*)", re.ASCII)

_MOST: Final = 2**31 - 1
"""PostgreSQL's greatest integer."""


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
    """Every command acknowledged before ``as_of`` is in this partition before this record.

    ``withheld`` is the number of orders of which that is not true, since Kafka refuses an event.
    """

    as_of: datetime
    partitions: int
    withheld: int = 0


def read(value: bytes) -> PublishedEvent | Watermark:
    """Read a record's value.

    Raises:
        BadRecordError: not a CloudEvent of this service, or its data does not fit its schema.
    """
    try:
        record = json.loads(value)
        if record["type"] == WATERMARK_TYPE:
            data = record["data"]
            return Watermark(
                as_of=_instant(data["as_of"]),
                partitions=int(data["partitions"]),
                withheld=_count(data.get("withheld", 0)),
            )
        match = _EVENT_TYPE.fullmatch(record["type"])
        order_id = order_id_of(record["subject"])
        if match is None or order_id is None:
            raise BadRecordError(f"not an order's event: {record['type']!r} {record['subject']!r}")
        recorded = parse(match[1], int(match[2]), record["data"])
        return PublishedEvent(
            order_id=order_id,
            version=int(record["sequence"]),
            time=_instant(record["time"]),
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


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise BadRecordError(f"the time {text!r} has no zone")
    return instant


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST:
        raise BadRecordError(f"{value!r} is no number of orders")
    return value
