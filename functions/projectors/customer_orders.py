"""ordering.orders → customer_orders: one item of GET /customers/{customer_id}/orders per order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordering.read_side.documents import order_item
from ordering.read_side.projection import ProjectorFunction
from ordering.read_side.shapes import Document, OneRow

if TYPE_CHECKING:
    from ordering.delivery.published import PublishedEvent


def fold(document: Document | None, published: PublishedEvent) -> Document:
    """Return the order's item after one more event."""
    return order_item(document, published)


handler = ProjectorFunction(
    "customer_orders", fold, OneRow({"placed_at": "timestamptz", "status": "text"})
)
