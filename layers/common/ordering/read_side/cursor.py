"""Opaque keyset cursors: where the next page starts, valid for the parameters they came from.

Only what was written here is read back: a cursor is exactly the text that its key and parameters
give. What the parts of a key are, a time or an id, is its query's business to check.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from typing import TYPE_CHECKING

from ordering.runtime.http import Problem
from ordering.runtime.problem_types import BAD_CURSOR

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def write_cursor(key: Sequence[str], parameters: Mapping[str, object]) -> str:
    """Point behind the row with this sort ``key``."""
    text = json.dumps([_digest(parameters), *key], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(cursor: str, parameters: Mapping[str, object], length: int) -> list[str]:
    """Return the sort key, of ``length`` parts, that the cursor points behind.

    Raises:
        Problem: 400 bad-cursor, it was not made for these parameters.
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        text = base64.b64decode(padded, altchars=b"-_", validate=True)
        _, *key = json.loads(text)
    except (ValueError, TypeError, RecursionError, binascii.Error):
        raise bad_cursor() from None
    parts = [part for part in key if isinstance(part, str)]
    # Written again with the digest of these parameters: one of others is another text.
    if len(parts) != length or write_cursor(parts, parameters) != cursor:
        raise bad_cursor()
    return parts


def bad_cursor() -> Problem:
    """Return the answer to a cursor that was not made here, or for other parameters."""
    return Problem(
        BAD_CURSOR,
        "The cursor was not made for these parameters; start again without one.",
    )


def _digest(parameters: Mapping[str, object]) -> str:
    text = json.dumps(parameters, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
