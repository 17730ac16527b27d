"""Consistency tokens: what a command's answer hands to a query so that it sees the command."""

from __future__ import annotations

import re
from typing import Final

from .ids import order_id_of

MAX_TOKENS: Final = 100
_TOKEN: Final = re.compile(r"([0-9a-f-]{36})\.([1-9][0-9]{0,8})", re.ASCII)


class BadTokenError(ValueError):
    """The Consistency-Token header was not made by a command's answer."""


def token(order_id: str, version: int) -> str:
    """Name one version of one order."""
    return f"{order_id}.{version}"


def parse_tokens(header: str) -> dict[str, int]:
    """Read one or more tokens, comma-separated: order id to the highest version requested.

    Raises:
        BadTokenError: a part is no token, or there are more than ``MAX_TOKENS``.
    """
    versions: dict[str, int] = {}
    parts = [part.strip() for part in header.split(",")]
    if len(parts) > MAX_TOKENS:
        raise BadTokenError(f"at most {MAX_TOKENS} tokens are taken")
    for part in parts:
        match = _TOKEN.fullmatch(part)
        order_id = order_id_of(match[1]) if match else None
        if match is None or order_id is None:
            raise BadTokenError(f"{part!r} is not a Consistency-Token that a command answered")
        versions[order_id] = max(int(match[2]), versions.get(order_id, 0))
    return versions
