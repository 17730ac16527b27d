"""A batch's records, decoded once, with the order that each belongs to whatever is in it."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, NamedTuple

from ordering.delivery.published import BadRecordError, PublishedEvent, Watermark, read
from ordering.runtime.ids import order_id_of

if TYPE_CHECKING:
    from collections.abc import Mapping


class Record(NamedTuple):
    """A record: what it holds, or why that cannot be read, and whose it is.

    ``order_id`` is None for a watermark, and for a record that says of no order that it is its.
    """

    partition: int
    offset: int
    order_id: str | None
    content: PublishedEvent | Watermark | BadRecordError
    source: Mapping[str, Any]

    @property
    def key(self) -> bytes | None:
        """The record's key as it came."""
        return _bytes(self.source.get("key"))

    @property
    def value(self) -> bytes | None:
        """The record's value as it came; None: a tombstone."""
        return _bytes(self.source.get("value"))


def read_record(source: Mapping[str, Any]) -> Record:
    """Decode a record of an MSK event.

    The key is the order's id, so that a record belongs to its order even if nothing of its value
    can be read. A record without key belongs to the order that it names, and is bad all the same:
    nothing says that it is in the order's own partition.
    """
    content: PublishedEvent | Watermark | BadRecordError
    try:
        key = base64.b64decode(source.get("key") or "", validate=True)
        content = read(base64.b64decode(source.get("value") or "", validate=True))
    except binascii.Error as error:
        key, content = b"", BadRecordError(f"the record is not in base64: {error}")
    except BadRecordError as error:
        content = error
    order_id = None
    if not isinstance(content, Watermark):
        order_id = order_id_of(key.decode("ascii", errors="replace"))
        if isinstance(content, BadRecordError) and order_id is None:
            order_id = content.order_id
        if isinstance(content, PublishedEvent) and content.order_id != order_id:
            if order_id is None:
                order_id = content.order_id
            content = BadRecordError(f"the key {key!r} is not the id of the event's order")
    return Record(source["partition"], source["offset"], order_id, content, source)


def _bytes(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return text.encode()
