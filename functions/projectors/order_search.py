"""ordering.orders → order_search: what operators find orders by, and the item that they get."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ordering.domain.events import OrderLineRemoved, OrderPlaced, ShippingAddressChanged
from ordering.read_side.documents import order_document, order_item
from ordering.read_side.projection import ProjectorFunction
from ordering.read_side.searching import searchable
from ordering.read_side.shapes import Document, OneRow

if TYPE_CHECKING:
    from ordering.delivery.published import PublishedEvent
    from ordering.domain.values import Address

_TEXTS: Final = ("order", "billing", "shipping", "lines", "tracking")


def fold(document: Document | None, published: PublishedEvent) -> Document:
    """Return what the order is found by after one more event."""
    fact, after = published.fact, published.after
    if isinstance(fact, OrderPlaced):
        document = {
            "item": None,
            "order": [published.order_id, fact.customer_id, fact.reference],
            "billing": fact.billing_address and _names(fact.billing_address),
            "shipping": _names(fact.shipping_address),
            "lines": {str(line.line_id): [line.sku, line.name] for line in fact.lines},
            "tracking": {},
        }
    before = order_document(document)
    now = dict(before)
    if isinstance(fact, ShippingAddressChanged):
        now["shipping"] = _names(fact.shipping_address)
    if after.lines is not None:
        changed = {str(line.line_id): [line.sku, line.name] for line in after.lines}
        now["lines"] = before["lines"] | changed
    if isinstance(fact, OrderLineRemoved):
        now["lines"] = {n: line for n, line in now["lines"].items() if n != str(fact.line_id)}
    if after.shipments is not None:
        numbers = {each.shipment_id: each.tracking_number for each in after.shipments}
        now["tracking"] = before["tracking"] | numbers
    item = order_item(before["item"], published)
    name, city = now["shipping"]
    now["item"] = item | {"shipping_name": name, "shipping_city": city}
    now |= {name: item[name] for name in ("customer_id", "placed_at", "status", "currency")}
    now["total"] = item["total"]["amount"]
    if "search" not in before or any(now[name] != before[name] for name in _TEXTS):
        now["skus"] = sorted({sku for sku, _ in now["lines"].values()})
        now["search"] = searchable("\n".join(_texts(now)))
    return now


def _names(address: Address) -> list[str]:
    return [address.name, address.city]


def _texts(now: Document) -> list[str]:
    lines = [text for line in now["lines"].values() for text in line]
    texts = [*now["order"], *(now["billing"] or ()), *now["shipping"], *lines]
    return [text for text in dict.fromkeys([*texts, *now["tracking"].values()]) if text]


handler = ProjectorFunction(
    "order_search",
    fold,
    OneRow(
        {
            "placed_at": "timestamptz",
            "status": "text",
            "currency": "text",
            "total": "numeric",
            "skus": "jsonb",
            "search": "text",
        }
    ),
)
