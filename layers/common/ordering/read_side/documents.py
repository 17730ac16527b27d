"""Parts that read models' documents share. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ordering.domain.events import OrderCancelled, OrderConfirmed, OrderPlaced
from ordering.domain.values import amount_fields, instant_fields, round_to_currency

from .freshness import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

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


def happened_at(published: PublishedEvent) -> datetime:
    """Return when an event happened: it was recorded then, or, if it is imported, says its own."""
    fact = published.fact
    confirmed_at = fact.confirmed_at if isinstance(fact, OrderConfirmed) else None
    return confirmed_at or published.time


def with_entries(
    share: Iterable[dict[str, Any]],
    entries: Sequence[tuple[Mapping[str, str], Mapping[str, int | Decimal]]],
    currency: str,
) -> list[dict[str, Any]]:
    """Return an order's share of a ledger with entries added: each to the part with its keys.

    There is one entry at least. It is the keys and the numbers, all of the ledger's; Decimals are
    amounts in the currency.
    """
    keys = entries[0][0].keys()
    parts = {tuple(part[key] for key in keys): part for part in share}
    for its_keys, numbers in entries:
        known = parts.get(key := tuple(its_keys.values()), {})
        parts[key] = {**its_keys} | {
            name: write_amount(Decimal(known.get(name, 0)) + number, currency)
            if isinstance(number, Decimal)
            else known.get(name, 0) + number
            for name, number in numbers.items()
        }
    return [*parts.values()]


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


def order_item(item: dict[str, Any] | None, published: PublishedEvent) -> dict[str, Any]:
    """Return an order's item in lists of orders (``answers.OrderItem``) after one more event.

    Raises:
        ValueError: as ``order_document``.
    """
    fact, after = published.fact, published.after
    if isinstance(fact, OrderPlaced):
        item = {
            "order_id": published.order_id,
            "customer_id": fact.customer_id,
            "reference": fact.reference,
            "placed_at": rfc3339(fact.placed_at),
            "currency": fact.currency,
        }
    item = order_document(item) | {
        "version": published.version,
        "status": after.status,
        "updated_at": rfc3339(published.time),
    }
    if after.totals is not None:
        item["total"] = money(after.totals.total, item["currency"])
    if after.units is not None:
        item |= {"line_count": after.units.lines, "item_count": after.units.kept}
    if costs_nothing(published):
        item |= {"total": money(Decimal(0), item["currency"]), "item_count": 0}
    return item
