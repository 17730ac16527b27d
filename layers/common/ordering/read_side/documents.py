"""Parts that read models' documents share. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ordering.domain.events import OrderCancelled
from ordering.domain.values import amount_fields, instant_fields, round_to_currency

from .freshness import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from decimal import Decimal

    from ordering.delivery.published import PublishedEvent
    from ordering.domain.events import OrderEvent
    from ordering.domain.parts import Balance, Part, Totals


def money(amount: Decimal, currency: str) -> dict[str, str]:
    """Write an amount as the HTTP contract does, with all of the currency's digits."""
    # str writes no exponent here, as no currency has more than four digits, and takes half as long
    # as format.
    return {"amount": str(round_to_currency(amount, currency)), "currency": currency}


def write_amount(amount: Decimal, currency: str) -> str:
    """Write an amount as ``money`` does, without the currency: a measure of a share has none."""
    return str(round_to_currency(amount, currency))


def write_sums(sums: Totals | Balance, currency: str) -> dict[str, dict[str, str]]:
    """Write each of several sums as the HTTP contract does."""
    return {name: money(amount, currency) for name, amount in vars(sums).items()}


def write_part(part: Part | OrderEvent, currency: str) -> dict[str, Any]:
    """Write a part or fact as the HTTP contract does: amounts with their currency, times in UTC."""
    written = part.model_dump(mode="json")
    for name in amount_fields(type(part)):
        written[name] = money(getattr(part, name), currency)
    for name in instant_fields(type(part)):
        written[name] = written[name] and rfc3339(getattr(part, name))
    return written


def costs_nothing(published: PublishedEvent) -> bool:
    """Return whether it is a cancellation of version 1, which did not say what follows.

    It is known all the same: every unit is cancelled and nothing was ever paid, for there were no
    payments then.
    """
    return isinstance(published.fact, OrderCancelled) and published.after.units is None


def order_document(document: dict[str, Any] | None) -> dict[str, Any]:
    """Return the document that an order's later events change.

    Raises:
        ValueError: there is none; the order's first event has to come first.
    """
    if document is None:
        raise ValueError("the read model does not have this order yet")
    return document


def upserted(
    known: Sequence[dict[str, Any]], changed: Iterable[dict[str, Any]], key: str
) -> list[dict[str, Any]]:
    """Return the parts with those changed in their places, and the new ones at the end."""
    new = {part[key]: part for part in changed}
    kept = [new.pop(part[key], part) for part in known]
    return [*kept, *new.values()]
