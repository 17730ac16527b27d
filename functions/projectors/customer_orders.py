"""ordering.orders → customer_orders: one item of GET /customers/{customer_id}/orders per order."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from ordering.domain.events import OrderPlaced
from ordering.read_side.documents import costs_nothing, money, order_document
from ordering.read_side.freshness import rfc3339
from ordering.read_side.projection import Document, ProjectorFunction

if TYPE_CHECKING:
    from ordering.delivery.published import PublishedEvent

LOAD: Final = """
select order_id::text, version, document, last_event_time from customer_orders
where order_id = any(%(order_ids)s::uuid[])
"""
SAVE: Final = """
insert into customer_orders (
  order_id, version, customer_id, placed_at, status, document, last_event_time
)
select r.order_id, r.version, r.document ->> 'customer_id',
  (r.document ->> 'placed_at')::timestamptz, r.document ->> 'status', r.document, r.last_event_time
from json_to_recordset(%(rows)s::json) as r (
  order_id uuid, version int, document json, last_event_time timestamptz
)
on conflict (order_id) do update
set version = excluded.version, status = excluded.status, document = excluded.document,
  last_event_time = excluded.last_event_time
where customer_orders.version < excluded.version
"""


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


handler = ProjectorFunction("customer_orders", load=LOAD, save=SAVE, fold=fold)
