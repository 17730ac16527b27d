"""What a reader of the topic gets: the events and watermarks that its records hold."""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from ordering.domain.recorded import UnknownEventError, parse, parse_member
from ordering.runtime.ids import order_id_of

from .envelope import WATERMARK_TYPE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordering.domain.events import OrderEvent
    from ordering.domain.recorded import After, Recorded

_FORM: Final = r"ordering\.order\.([A-Za-z]+)\.v([1-9][0-9]*)"
_EVENT_TYPE: Final = re.compile(_FORM, re.ASCII)
_TYPE_IN_BYTES: Final = re.compile(f'"{_FORM}"'.encode())
_ATTRIBUTES: Final = (
    "type",
    "subject",
    "sequence",
    "time",
    "actor",
    "correlationid",
    "traceparent",
)

_MOST: Final = 2**31 - 1
"""PostgreSQL's greatest integer."""


class BadRecordError(ValueError):
    """A record on the topic that this code cannot read; the message says what is wrong.

    ``order_id``, ``version`` and ``event_type`` are what can be read of it all the same.
    """

    order_id: str | None = None
    version: int | None = None
    event_type: str | None = None


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
    return _read_newest(value) or read_slowly(value)


def _read_newest(value: bytes) -> PublishedEvent | None:
    """Read an event in the newest version of its schema; None where ``read_slowly`` has to look."""
    found = _TYPE_IN_BYTES.search(value)
    if found is None:
        return None
    try:
        member = parse_member("data", found[1].decode(), int(found[2]), value, _ATTRIBUTES)
        # A text of that form may stand elsewhere in the bytes, before the record's type.
        if member is None or member.others["type"].encode() != found[0][1:-1]:
            return None
        order_id = order_id_of(member.others["subject"])
        if order_id is None:
            return None
        return _event(order_id, member.others, member.recorded)
    except (ValueError, KeyError, TypeError, AttributeError):  # read_slowly says what is wrong
        return None


def _event(order_id: str, record: Mapping[str, Any], recorded: Recorded) -> PublishedEvent:
    return PublishedEvent(
        order_id=order_id,
        version=_version(record["sequence"]),
        time=_instant(record["time"]),
        actor=record.get("actor", ""),
        correlation_id=record.get("correlationid", ""),
        traceparent=record.get("traceparent", ""),
        fact=recorded.fact,
        after=recorded.after,
    )


def read_slowly(value: bytes) -> PublishedEvent | Watermark:
    """Read a record's value of any type and version, and say what is wrong with it; see ``read``.

    Raises:
        BadRecordError: as ``read``.
    """
    record: Any = None
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
        return _event(order_id, record, recorded)
    except UnknownEventError as error:
        raise _bad(str(error), record) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        # pydantic's ValidationError is a ValueError.
        raise _bad(f"{type(error).__name__}: {error}", record) from error


def _bad(message: str, record: Any) -> BadRecordError:  # noqa: ANN401 - any JSON
    error = BadRecordError(message)
    attributes = record if isinstance(record, dict) else {}
    error.order_id = order_id_of(str(attributes.get("subject", "")))
    if match := _EVENT_TYPE.fullmatch(str(attributes.get("type", ""))):
        error.event_type = match[1]
    with contextlib.suppress(ValueError):
        error.version = _version(attributes.get("sequence"))
    return error


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise BadRecordError(f"the time {text!r} has no zone")
    return instant


def _version(text: object) -> int:
    if not isinstance(text, str) or not 1 <= (version := int(text)) <= _MOST:
        raise BadRecordError(f"{text!r} is no version of an order")
    return version


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST:
        raise BadRecordError(f"{value!r} is no number of orders")
    return value
