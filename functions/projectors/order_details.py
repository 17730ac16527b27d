"""ordering.orders → order_details: one order as GET /orders/{order_id} sends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, assert_never

from ordering.events import LineSnapshot, OrderCancelled, OrderConfirmed, OrderPlaced, Totals
from ordering.read_side.documents import money, order_document
from ordering.read_side.freshness import rfc3339
from ordering.read_side.projection import Document, ProjectorFunction

if TYPE_CHECKING:
    from ordering.delivery.envelope import PublishedEvent

LOAD: Final = """
select order_id::text, version, document from order_details
where order_id = any(%(order_ids)s::uuid[])
"""
SAVE: Final = """
insert into order_details (order_id, version, customer_id, document)
select r.order_id, r.version, r.document ->> 'customer_id', r.document
from json_to_recordset(%(rows)s::json) as r (order_id uuid, version int, document json)
on conflict (order_id) do update
set version = excluded.version, document = excluded.document
where order_details.version < excluded.version
"""


def fold(document: Document | None, published: PublishedEvent) -> Document:
    """Give the order's document after one more event."""
    changed = {
        "version": published.version,
        "status": published.event.status,
        "updated_at": rfc3339(published.time),
    }
    match published.event:
        case OrderPlaced() as event:
            return {
                "order_id": published.order_id,
                **changed,
                "customer_id": event.customer_id,
                "currency": event.currency,
                "reference": event.reference,
                "placed_at": rfc3339(event.placed_at),
                "confirmed_at": None,
                "cancelled_at": None,
                "cancellation_reason": None,
                "lines": [_line(line, event.currency) for line in event.lines],
                "totals": _totals(event.totals, event.currency),
                "shipping_address": event.shipping_address.model_dump(),
                "billing_address": event.billing_address and event.billing_address.model_dump(),
            }
        case OrderConfirmed():
            return {**order_document(document), **changed, "confirmed_at": rfc3339(published.time)}
        case OrderCancelled() as event:
            return {
                **order_document(document),
                **changed,
                "cancelled_at": rfc3339(published.time),
                "cancellation_reason": event.reason,
            }
        case _:
            assert_never(published.event)


def _line(line: LineSnapshot, currency: str) -> dict[str, Any]:
    return {
        "line_id": line.line_id,
        "sku": line.sku,
        "name": line.name,
        "quantity": line.quantity,
        "unit_price": money(line.unit_price, currency),
        "discount": format(line.discount, "f"),
        "tax_rate": format(line.tax_rate, "f"),
        "total": money(line.total, currency),
        "tax": money(line.tax, currency),
    }


def _totals(totals: Totals, currency: str) -> dict[str, Any]:
    return {
        "lines": money(totals.lines, currency),
        "discount": money(totals.discount, currency),
        "tax": money(totals.tax, currency),
        "shipping": money(totals.shipping, currency),
        "total": money(totals.total, currency),
    }


handler = ProjectorFunction("order_details", load=LOAD, save=SAVE, fold=fold)
