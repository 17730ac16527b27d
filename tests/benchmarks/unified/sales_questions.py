"""The SQL of what was sold, asked of the unified model; days are those of a time zone."""

from __future__ import annotations

from typing import Final

from ordering.read_side.written import money_sql

_POSTED: Final = [
    "orders",
    "items",
    "gross",
    "discounts",
    "tax",
    "shipping",
    "cancelled",
    "returned",
    "refunded",
]
_AMOUNTS: Final = {
    **{name: name for name in _POSTED[2:]},
    "net": "gross - discounts + tax + shipping - cancelled - returned",
}
_IN_DAYS: Final = """(%(from)s is null or at >= %(from)s::timestamp at time zone '{zone}')
    and (%(to)s is null or at < %(to)s::timestamp at time zone '{zone}')
    and (%(currency)s is null or currency = %(currency)s)"""


def sales(zone: str) -> str:
    """Return the statement of the sales by day, of the days of a time zone."""
    amounts = ", ".join(f"'{name}', {money_sql(sql)}" for name, sql in _AMOUNTS.items())
    sums = ", ".join(f"sum({name}) as {name}" for name in _POSTED)
    return f"""
select day::text, json_build_object('day', day, 'currency', currency, 'orders', orders,
  'items', items, {amounts})::text
from (
  select (at at time zone '{zone}')::date as day, currency, {sums}
  from order_postings where {_IN_DAYS.format(zone=zone)} group by 1, 2
) as days
order by day, currency limit %(limit)s
"""


def products(order_by: str, zone: str) -> str:
    """Return the statement of the best sellers in days of a time zone."""
    order = {
        "quantity": "sum(sold - cancelled - returned)",
        "revenue": "sum(revenue)",
    }[order_by]
    return f"""
select sku, currency, sum(sold), sum(cancelled), sum(returned), sum(revenue)
from line_postings where {_IN_DAYS.format(zone=zone)}
group by sku, currency
order by {order} desc, sku, currency
limit %(limit)s
"""
