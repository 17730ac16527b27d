"""The SQL of what was sold, asked of the unified model; days are those of a time zone."""

from __future__ import annotations

from typing import Final

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


_MEMBER: Final = """\
', "{name}": {{"amount": "' || ({sql})::text || '", "currency": "' || currency || '"}}'"""


def sales(zone: str) -> str:
    """Return the statement of the sales by day, of the days of a time zone."""
    # As text: to build JSON objects in JSON objects takes several times as long.
    amounts = " || ".join(_MEMBER.format(name=name, sql=sql) for name, sql in _AMOUNTS.items())
    sums = ", ".join(f"sum({name}) as {name}" for name in _POSTED)
    return f"""
select day::text, '{{"day": "' || day::text || '", "currency": "' || currency || '", "orders": '
  || orders::text || ', "items": ' || items::text || {amounts} || '}}'
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
