"""The SQL of questions about customers, asked of the unified model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ordering.read_side.searching import has_words
from ordering.read_side.written import CURRENCY_SUMMARY, instant_sql
from queries import list_customer_orders, list_customers

from .order_sql import ITEM, OF_UNITS, as_object

if TYPE_CHECKING:
    from ordering.read_side.paging import Keyset

CUSTOMER_ORDERS: Final = list_customer_orders.PAGE.sql(f"""
select {as_object(ITEM)}::text, o.placed_at, o.order_id
from (
  select * from orders
  where customer_id = %(customer_id)s
    and (%(status)s is null or status = %(status)s)
    and (%(from)s::timestamptz is null or placed_at >= %(from)s::timestamptz)
    and (%(to)s::timestamptz is null or placed_at < %(to)s::timestamptz)
    and {{after}}
  {{page}}
) as o {OF_UNITS}
order by o.placed_at desc, o.order_id desc
""")

# An order that was cancelled costs nothing: its total is 0.
_SUMMED: Final = """
  count(*) filter (where status <> 'cancelled') as orders,
  count(*) filter (where status = 'cancelled') as cancelled,
  sum(total) as lifetime_value, min(placed_at) as first_order_at, max(placed_at) as last_order_at
"""
_SENT_BACK: Final = """cross join lateral (
  select count(*) as returns from orders as o join returns as r using (order_id)
  where o.customer_id = c.customer_id and o.currency = c.currency and r.state = 'received'
) as r cross join lateral (
  select coalesce(sum(p.refunded), 0) + c.lifetime_value - c.lifetime_value as refunded
  from orders as o join payments as p using (order_id)
  where o.customer_id = c.customer_id and o.currency = c.currency and p.refunded > 0
) as p"""
CUSTOMER: Final = f"""
select json_build_object({CURRENCY_SUMMARY})::text,
  {instant_sql("first_order_at")}, {instant_sql("last_order_at")}
from (
  select customer_id, currency, {_SUMMED} from orders
  where customer_id = %(customer_id)s group by customer_id, currency
) as c {_SENT_BACK}
order by currency
"""


def customers(question: Any) -> str:
    """Return the statement of a page of customers, in the order that is asked for."""
    words = has_words("lower(customer_id)", len((question.q or "").split()))
    keyset: Keyset = list_customers.LISTS[question.order_by].keyset
    return keyset.sql(f"""
select true, false, json_build_object('customer_id', customer_id, {CURRENCY_SUMMARY})::text, {{key}}
from (
  select * from (
    select customer_id, currency, {_SUMMED} from orders
    where (%(currency)s is null or currency = %(currency)s) and {words}
    group by customer_id, currency
  ) as summed
  where {{after}}
  {{page}}
) as c {_SENT_BACK}
order by {keyset.order}
""")
