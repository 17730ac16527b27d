"""The tables of the unified model but the orders' own: columns, and what a change of a row is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

TABLES: Final[Mapping[str, tuple[str, str]]] = {
    "order_lines": (
        (
            "order_id, line_id, sku, name, unit_price, discount, tax_rate, ordered, "
            "cancelled, shipped, lost, delivered, returned, total, coupon_share, tax"
        ),
        (
            " on conflict (order_id, line_id) do update set ordered = excluded.ordered, "
            "cancelled = excluded.cancelled, shipped = excluded.shipped, lost = "
            "excluded.lost, delivered = excluded.delivered, returned = excluded.returned, "
            "total = excluded.total, coupon_share = excluded.coupon_share, tax = excluded.tax"
        ),
    ),
    "payments": (
        "order_id, payment_id, number, method, authorized, captured, refunded, declined",
        (
            " on conflict (order_id, payment_id) do update set captured = excluded.captured, "
            "refunded = excluded.refunded, declined = excluded.declined"
        ),
    ),
    "shipments": (
        (
            "order_id, shipment_id, number, carrier, tracking_number, state, shipped_at, "
            "delivered_at, signed_by"
        ),
        (
            " on conflict (order_id, shipment_id) do update set state = excluded.state, "
            "delivered_at = excluded.delivered_at, signed_by = excluded.signed_by"
        ),
    ),
    "shipment_items": (
        "order_id, shipment_id, number, line_id, quantity",
        "",
    ),
    "returns": (
        "order_id, return_id, number, state, requested_at",
        " on conflict (order_id, return_id) do update set state = excluded.state",
    ),
    "return_items": (
        "order_id, return_id, number, line_id, quantity, reason",
        "",
    ),
    "received_items": (
        "order_id, return_id, number, line_id, quantity",
        "",
    ),
    "refunds": (
        "order_id, refund_id, number, payment_id, amount, reason",
        "",
    ),
    "notes": (
        "order_id, version, at, actor, text",
        "",
    ),
    "order_changes": (
        "order_id, version, event, at, actor, status, details, changes",
        "",
    ),
    "order_tasks": (
        "order_id, stage, since",
        "",
    ),
    "order_postings": (
        (
            "order_id, version, at, currency, orders, items, gross, discounts, tax, "
            "shipping, cancelled, returned, refunded"
        ),
        "",
    ),
    "line_postings": (
        "order_id, version, line_id, at, currency, sku, sold, cancelled, returned, revenue",
        "",
    ),
}
"""Of each table but the orders' own its columns, and what follows where the row is there."""
KEYS: Final = {
    "order_lines": "line_id",
    "payments": "payment_id",
    "shipments": "shipment_id",
    "returns": "return_id",
}
"""The rest of the key, in the tables whose rows change; the beginning is the order's id."""
