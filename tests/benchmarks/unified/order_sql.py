"""An order's parts as JSON: the SQL that commands load an order with, and questions answer with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ordering.read_side.written import instant_sql

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def _text(column: str) -> str:
    return f"{column}::text"


def money(column: str) -> str:
    """Return the SQL of an amount with its currency, which is the order's (``o``)."""
    return f"json_build_object('amount', {column}::text, 'currency', o.currency)"


def instant(column: str) -> str:
    """Return the SQL of a time, or null."""
    return f"case when {column} is not null then {instant_sql(column)} end"


def as_object(columns: Mapping[str, str]) -> str:
    """Return the SQL of a JSON object."""
    members = ", ".join(f"'{name}', {sql}" for name, sql in columns.items())
    return f"json_build_object({members})"


def _list(item: str, source: str, order: str) -> str:
    return (
        f"(select coalesce(json_agg({item} order by {order}), '[]') from {source}"
        " where {alias}.order_id = o.order_id)"
    )


def parts(amount: Callable[[str], str]) -> dict[str, str]:
    """Return the SQL of each list of parts of the order ``o``; ``amount`` writes an amount."""
    line = as_object(
        {
            **{n: f"l.{n}" for n in ("line_id", "sku", "name")},
            "unit_price": amount("l.unit_price"),
            **{n: f"l.{n}::text" for n in ("discount", "tax_rate")},
            **{
                n: f"l.{n}"
                for n in ("ordered", "cancelled", "shipped", "lost", "delivered", "returned")
            },
            **{n: amount(f"l.{n}") for n in ("total", "coupon_share", "tax")},
        }
    )
    payment = as_object(
        {
            "payment_id": "p.payment_id",
            "method": "p.method",
            **{n: amount(f"p.{n}") for n in ("authorized", "captured", "refunded")},
            "declined": "p.declined",
        }
    )
    shipped = (
        "(select json_agg(json_build_object('line_id', i.line_id, 'quantity', i.quantity)"
        " order by i.number) from shipment_items as i"
        " where i.order_id = s.order_id and i.shipment_id = s.shipment_id)"
    )
    shipment = as_object(
        {
            **{n: f"s.{n}" for n in ("shipment_id", "carrier", "tracking_number")},
            "items": shipped,
            "state": "s.state",
            "shipped_at": instant("s.shipped_at"),
            "delivered_at": instant("s.delivered_at"),
            "signed_by": "s.signed_by",
        }
    )
    asked = (
        "(select json_agg(json_build_object('line_id', i.line_id, 'quantity', i.quantity,"
        " 'reason', i.reason) order by i.number) from return_items as i"
        " where i.order_id = r.order_id and i.return_id = r.return_id)"
    )
    received = (
        "case when r.state = 'received' then (select coalesce(json_agg(json_build_object("
        "'line_id', i.line_id, 'quantity', i.quantity) order by i.number), '[]')"
        " from received_items as i"
        " where i.order_id = r.order_id and i.return_id = r.return_id) end"
    )
    each_return = as_object(
        {
            "return_id": "r.return_id",
            "items": asked,
            "requested_at": instant("r.requested_at"),
            "state": "r.state",
            "received": received,
        }
    )
    refund = as_object(
        {
            "refund_id": "f.refund_id",
            "payment_id": "f.payment_id",
            "amount": amount("f.amount"),
            "reason": "f.reason",
        }
    )
    lists = {
        "lines": (line, "order_lines as l", "l.line_id"),
        "payments": (payment, "payments as p", "p.number"),
        "shipments": (shipment, "shipments as s", "s.number"),
        "returns": (each_return, "returns as r", "r.number"),
        "refunds": (refund, "refunds as f", "f.number"),
    }
    return {
        name: _list(item, source, order).format(alias=source.rpartition(" ")[2])
        for name, (item, source, order) in lists.items()
    }


def coupon() -> str:
    """Return the SQL of the order's coupon, or null."""
    amount_off = money("o.coupon_amount_off")
    return (
        "case when o.coupon_code is not null then json_build_object('code', o.coupon_code,"
        " 'percent_off', o.coupon_percent_off::text,"
        f" 'amount_off', case when o.coupon_amount_off is not null then {amount_off} end) end"
    )


def totals(amount: Callable[[str], str]) -> str:
    """Return the SQL of the order's totals."""
    names = {"lines": "lines_total"} | {n: n for n in ("discount", "tax", "shipping", "total")}
    return as_object({name: amount(f"o.{column}") for name, column in names.items()})


# The notes' texts are counted as ordering.domain.limits.text_bytes counts them.
STATE: Final = as_object(
    {
        **{n: f"o.{n}" for n in ("customer_id", "currency", "reference", "last_line_id")},
        "placed_at": instant("o.placed_at"),
        "totals": totals(_text),
        "shipping_fee": "o.shipping_fee::text",
        "shipping_address": "row_to_json(o.shipping_address)",
        "billing_address": "row_to_json(o.billing_address)",
        "coupon": coupon(),
        "confirmed": "o.confirmed_at is not null",
        "held": "o.held_since is not null",
        "in_fulfilment": "o.fulfilment_started_at is not null",
        "completed": "o.completed_at is not null",
        **parts(_text),
        "note_count": "(select count(*) from notes as n where n.order_id = o.order_id)",
        "note_bytes": "(select coalesce(sum(octet_length(to_jsonb(n.text)::text) - 2), 0)"
        " from notes as n where n.order_id = o.order_id)",
    }
)
"""An order's state as ``Order`` reads it."""

ITEM: Final = {
    **{n: f"o.{n}" for n in ("order_id", "customer_id", "reference", "currency", "version")},
    "placed_at": instant_sql("o.placed_at"),
    "status": "o.status",
    "updated_at": instant_sql("o.updated_at"),
    "total": money("o.total"),
    "line_count": "units.line_count",
    "item_count": "units.item_count",
}
OF_UNITS: Final = """cross join lateral (
  select count(*) as line_count, sum(l.ordered - l.cancelled - l.returned) as item_count
  from order_lines as l where l.order_id = o.order_id
) as units"""
