"""ordering.orders → customer_orders: one item of GET /customers/{customer_id}/orders per order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

from ordering.events import OrderCancelled, OrderConfirmed, OrderPlaced
from ordering.read_side.documents import money, order_document
from ordering.read_side.freshness import rfc3339
from ordering.read_side.projection import Document, ProjectorFunction

if TYPE_CHECKING:
    from ordering.delivery.envelope import PublishedEvent

LOAD: Final = """
select order_id::text, version, document from customer_orders
where order_id = any(%(order_ids)s::uuid[])
"""
SAVE: Final = """
insert into customer_orders (order_id, version, customer_id, placed_at, status, document)
select r.order_id, r.version, r.document ->> 'customer_id',
  (r.document ->> 'placed_at')::timestamptz, r.document ->> 'status', r.document
from json_to_recordset(%(rows)s::json) as r (order_id uuid, version int, document json)
on conflict (order_id) do update
set version = excluded.version, status = excluded.status, document = excluded.document
where customer_orders.version < excluded.version
"""


def fold(document: Document | None, published: PublishedEvent) -> Document:
    """Give the order's item after one more event."""
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
                "reference": event.reference,
                "placed_at": rfc3339(event.placed_at),
                "currency": event.currency,
                "total": money(event.totals.total, event.currency),
                "line_count": len(event.lines),
                "item_count": sum(line.quantity for line in event.lines),
            }
        case OrderConfirmed() | OrderCancelled():
            return {**order_document(document), **changed}
        case _:
            assert_never(published.event)


handler = ProjectorFunction("customer_orders", load=LOAD, save=SAVE, fold=fold)
