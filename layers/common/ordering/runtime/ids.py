"""Identifiers of orders: UUID version 7 (RFC 9562), so that new rows land at the index's end."""

from __future__ import annotations

import re
import secrets
import time
import uuid
from typing import Final

_UUID: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE
)


def uuid7() -> uuid.UUID:
    """Make one: 48 bits of Unix time in milliseconds, then random bits."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & (1 << 48) - 1) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return uuid.UUID(int=value)


def order_id_of(text: str) -> str | None:
    """Return the order id in its one form; None when the text is none, so no such order exists."""
    return text.lower() if _UUID.fullmatch(text) else None
