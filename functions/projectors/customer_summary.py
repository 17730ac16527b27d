"""ordering.orders → customer_summary: what each customer ordered, per currency."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from ordering.domain.events import OrderPlaced, ReturnReceived
from ordering.read_side.documents import costs_nothing, order_document, write_amount
from ordering.read_side.freshness import rfc3339
from ordering.read_side.projection import ProjectorFunction
from ordering.read_side.shapes import SHARE, Document, Sums

if TYPE_CHECKING:
    from ordering.delivery.published import PublishedEvent


def fold(document: Document | None, published: PublishedEvent) -> Document:
    """Return what the order adds to its customer's sums after one more event.

    A cancelled order counts as cancelled only: it is none of ``orders``, whose average is asked
    for, and its value is nothing.
    """
    fact, after = published.fact, published.after
    if isinstance(fact, OrderPlaced):
        placed_at = rfc3339(fact.placed_at)
        share: Document = {
            "customer_id": fact.customer_id,
            "currency": fact.currency,
            "lifetime_value": write_amount(Decimal(0), fact.currency),
            "returns": 0,
            "refunded": write_amount(Decimal(0), fact.currency),
            "first_order_at": placed_at,
            "last_order_at": placed_at,
        }
    else:
        share = dict(order_document(document)[SHARE][0])
    currency = share["currency"]
    if after.totals is not None:
        share["lifetime_value"] = write_amount(after.totals.total, currency)
    if costs_nothing(published):
        share["lifetime_value"] = write_amount(Decimal(0), currency)
    if after.balance is not None:
        share["refunded"] = write_amount(after.balance.refunded, currency)
    if isinstance(fact, ReturnReceived):
        share["returns"] += 1
    is_cancelled = after.status == "cancelled"
    share |= {"orders": int(not is_cancelled), "cancelled": int(is_cancelled)}
    return {"customer_id": share["customer_id"], SHARE: [share]}


handler = ProjectorFunction(
    "customer_summary",
    fold,
    Sums(
        keys={"customer_id": "text", "currency": "text"},
        sums={
            "orders": "bigint",
            "cancelled": "bigint",
            "lifetime_value": "numeric",
            "returns": "bigint",
            "refunded": "numeric",
        },
        earliest={"first_order_at": "timestamptz"},
        latest={"last_order_at": "timestamptz"},
    ),
)
