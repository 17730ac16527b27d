"""Parts that read models' documents share. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from decimal import Decimal


def money(amount: Decimal, currency: str) -> dict[str, str]:
    """Write an amount as the HTTP contract does."""
    return {"amount": format(amount, "f"), "currency": currency}


def order_document(document: dict[str, Any] | None) -> dict[str, Any]:
    """Give the document that an order's later events change.

    Raises:
        ValueError: there is none; the order's first event has to come first.
    """
    if document is None:
        raise ValueError("the read model does not have this order yet")
    return document


def upserted(
    known: Sequence[dict[str, Any]], changed: Iterable[dict[str, Any]], key: str
) -> list[dict[str, Any]]:
    """Give the parts with those changed in their places, and the new ones at the end."""
    new = {part[key]: part for part in changed}
    kept = [new.pop(part[key], part) for part in known]
    return [*kept, *new.values()]
