"""How much an order may grow, so that each of its events can be published and read. Pure.

Every part of an order that can be added again and again has a limit here, and the commands that add
it keep the limit. Together they bound the two sizes that the infrastructure limits:

- One event: ``MAX_EVENT_BYTES``. Kafka refuses records of more than 1 MiB by default.
- The stored answer to GET /orders/{order_id}: ``MAX_ANSWER_BYTES``. A Lambda function's response
  has at most 6 MB, and escaping the answer into that response makes it up to three times as long.

A test builds the largest order that the limits allow and measures both.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_LINES: Final = 500
MAX_LINE_ID: Final = 1_000_000
"""Ids of removed lines are not given again."""
MAX_PAYMENTS: Final = 100
MAX_REFUNDS: Final = 100
MAX_SHIPMENTS: Final = 100
MAX_SHIPPED_ITEMS: Final = 3_000
"""Of all shipments of an order together; an item is a quantity of one line."""
MAX_RETURNS: Final = 50
MAX_RETURNED_ITEMS: Final = 1_500
"""Of all returns of an order together."""
MAX_NOTES: Final = 100

MAX_LINE_TEXT_BYTES: Final = 250_000
"""Of the SKUs and names of all lines together, measured by ``text_bytes``."""
MAX_RETURN_TEXT_BYTES: Final = 250_000
"""Of the reasons in all returns together."""
MAX_NOTE_TEXT_BYTES: Final = 200_000
"""Of all notes together."""

MAX_EVENT_BYTES: Final = 900_000
"""Of one event's data as JSON. The database's own form of it and the record around it add up to
15 %, which is still below the limits of the relay's producer and of the topic (1 MiB)."""
MAX_ANSWER_BYTES: Final = 2_000_000


def text_bytes(*texts: str) -> int:
    """Return how many bytes the texts take as JSON strings in UTF-8, without their quotes."""
    return sum(len(json.dumps(text, ensure_ascii=False).encode()) - 2 for text in texts)


def are_too_long(limit: int, texts: Iterable[str | None]) -> bool:
    """Return whether the texts take more than ``limit`` bytes as JSON strings."""
    present = [text for text in texts if text]
    # A character takes at most six bytes, "\\u0001": most texts need not be written to know.
    return 6 * sum(map(len, present)) > limit and text_bytes(*present) > limit


MINUTES_AHEAD: Final = 5
"""How far the clock of an importing system may be ahead of ours."""
