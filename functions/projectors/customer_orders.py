"""ordering.orders → customer_orders: one item of GET /customers/{customer_id}/orders per order."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from ordering.domain.events import OrderPlaced
from ordering.read_side.documents import costs_nothing, money, order_document
from ordering.read_side.freshness import rfc3339
from ordering.read_side.projection import ProjectorFunction
from ordering.read_side.shapes import Document, OneRow

if TYPE_CHECKING:
    from ordering.delivery.published import PublishedEvent


def fold(document: Document | None, published: PublishedEvent) -> Document:
    """Return the order's item after one more event."""
    fact, after = published.fact, published.after
    if isinstance(fact, OrderPlaced):
        item: Document = {
            "order_id": published.order_id,
            "customer_id": fact.customer_id,
            "reference": fact.reference,
            "placed_at": rfc3339(fact.placed_at),
            "currency": fact.currency,
        }
    else:
        item = dict(order_document(document))
    item |= {
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


handler = ProjectorFunction(
    "customer_orders", fold, OneRow({"placed_at": "timestamptz", "status": "text"})
)
