"""ordering.orders → sales: the ledger of what was sold, per day and currency."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from ordering.domain.events import OrderConfirmed, OrderPlaced, ReturnReceived
from ordering.read_side.business_time import business_zone, day_of
from ordering.read_side.documents import (
    costs_nothing,
    happened_at,
    order_document,
    with_entries,
    write_amount,
)
from ordering.read_side.projection import ProjectorFunction
from ordering.read_side.shapes import SHARE, Document, Sums

if TYPE_CHECKING:
    from ordering.delivery.published import PublishedEvent

_ZONE: Final = business_zone()
_COUNTS: Final = ("orders", "items")
_AMOUNTS: Final = (
    "gross",
    "discounts",
    "tax",
    "shipping",
    "cancelled",
    "returned",
    "refunded",
)
_NOTHING: Final[dict[str, Any]] = {
    **dict.fromkeys(_COUNTS, 0),
    **dict.fromkeys(_AMOUNTS, Decimal(0)),
}


def fold(document: Document | None, published: PublishedEvent) -> Document:
    """Return what the order has added to each day so far.

    It counts on the day of its confirmation, with its amounts then. What happens later counts on
    the day on which it happens: a total that falls, since units came back or were cancelled, and
    money that went back.
    """
    fact = published.fact
    if isinstance(fact, OrderPlaced):
        nothing = write_amount(Decimal(0), fact.currency)
        document = {
            "customer_id": fact.customer_id,
            "currency": fact.currency,
            "is_confirmed": False,
            "total": nothing,
            "refunded": nothing,
            SHARE: [],
        }
    before = order_document(document)
    currency = before["currency"]
    now = before | _known(published, currency)
    entry: dict[str, Any] = {}
    if isinstance(fact, OrderConfirmed):
        now["is_confirmed"] = True
        totals = now["totals"]
        entry = {"orders": 1, "items": now["items"], "gross": Decimal(totals["lines"])}
        entry |= {name: Decimal(totals[of]) for name, of in _OF_TOTALS.items()}
    elif before["is_confirmed"]:
        lost = Decimal(before["total"]) - Decimal(now["total"])
        entry = {"returned" if isinstance(fact, ReturnReceived) else "cancelled": lost}
        entry["refunded"] = Decimal(now["refunded"]) - Decimal(before["refunded"])
    if any(entry.values()):
        keys = {"day": day_of(happened_at(published), _ZONE), "currency": currency}
        now[SHARE] = with_entries(before[SHARE], [(keys, _NOTHING | entry)], currency)
    return now


_OF_TOTALS: Final = {"discounts": "discount", "tax": "tax", "shipping": "shipping"}


def _known(published: PublishedEvent, currency: str) -> Document:
    """Return those of the order's amounts and units that the event says."""
    after = published.after
    known: Document = {}
    if after.totals is not None:
        known["totals"] = {n: write_amount(a, currency) for n, a in vars(after.totals).items()}
        known["total"] = known["totals"]["total"]
    if after.units is not None:
        known["items"] = after.units.kept
    if after.balance is not None:
        known["refunded"] = write_amount(after.balance.refunded, currency)
    if costs_nothing(published):
        known |= {"total": write_amount(Decimal(0), currency), "items": 0}
    return known


handler = ProjectorFunction(
    "sales",
    fold,
    Sums(
        keys={"day": "date", "currency": "text"},
        sums={**dict.fromkeys(_COUNTS, "bigint"), **dict.fromkeys(_AMOUNTS, "numeric")},
    ),
)
