"""Opaque keyset cursors: where the next page starts, valid for the parameters they came from."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from typing import TYPE_CHECKING

from ordering.http import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def write_cursor(key: Sequence[str], parameters: Mapping[str, object]) -> str:
    """Point behind the row with this sort ``key``."""
    text = json.dumps([_digest(parameters), *key], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(cursor: str, parameters: Mapping[str, object], length: int) -> list[str]:
    """Give the sort key, of ``length`` parts, that the cursor points behind.

    Raises:
        Problem: 400 bad-cursor, it was not made for these parameters.
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        text = base64.b64decode(padded, altchars=b"-_", validate=True)
        digest, *key = json.loads(text)
    except (ValueError, TypeError, RecursionError, binascii.Error):
        digest, key = "", []
    parts = [part for part in key if isinstance(part, str)]
    if digest != _digest(parameters) or len(parts) != len(key) or len(key) != length:
        raise Problem(
            400,
            "bad-cursor",
            "The cursor was not made for these parameters; start again without one.",
        )
    return parts


def _digest(parameters: Mapping[str, object]) -> str:
    text = json.dumps(parameters, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
