"""The SQL of the lists that operators work with, asked of the unified model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ordering.read_side.searching import GLANCED_AT
from ordering.read_side.written import instant_sql
from queries import get_work_queue, search_orders

from .order_sql import ITEM, OF_UNITS, as_object, money

if TYPE_CHECKING:
    from ordering.read_side.paging import Keyset

_SEARCHED: Final = {
    "status": "o.status = %(status)s",
    "customer_id": "o.customer_id = %(customer_id)s",
    "from_": "o.placed_at >= %(from)s::timestamptz",
    "to": "o.placed_at < %(to)s::timestamptz",
    "currency": "o.currency = %(currency)s",
    "min_total": "o.total >= %(min_total)s::numeric",
    "max_total": "o.total <= %(max_total)s::numeric",
}
_HAS_SKU: Final = (
    "exists (select from order_lines as l where l.order_id = o.order_id"
    " and l.sku = %(skus)s::jsonb ->> 0)"
)
_HAS_WORD: Final = """(o.text like %(word{n})s
    or exists (select from order_lines as l
      where l.order_id = o.order_id and l.text like %(word{n})s)
    or exists (select from shipments as s
      where s.order_id = o.order_id and lower(s.tracking_number) like %(word{n})s))"""
_WITH_WORD: Final = """(
    select order_id from orders where text like %(word{n})s
    union select order_id from order_lines where text like %(word{n})s
    union select order_id from shipments where lower(tracking_number) like %(word{n})s
  )"""


def searched(question: Any) -> str:
    """Return the statement of a page of orders, with the conditions that are asked for alone.

    As on the read side, what nearly all orders have fills a page at a glance at the first of them;
    else the indexes of words and SKUs find the orders.
    """
    keyset: Keyset = search_orders.LISTS[question.order_by].keyset
    conditions = [sql for name, sql in _SEARCHED.items() if getattr(question, name) is not None]
    where = " and ".join(["{after}", *conditions])
    item = as_object(
        ITEM
        | {
            "shipping_name": "(o.shipping_address).name",
            "shipping_city": "(o.shipping_address).city",
        }
    )
    answer = f"""
select true, false, {item}::text, {{key}}
from found as o {OF_UNITS}
order by {keyset.order}
"""
    words = [] if question.q is None else range(len(question.q.split()))
    checks = [_HAS_WORD.format(n=n) for n in words]
    # The longest word has the fewest orders, as a rule; the others are looked for in those.
    longest = max(words, key=lambda n: len(question.q.split()[n]), default=None)
    finders = [] if longest is None else [_WITH_WORD.format(n=longest)]
    others = [_HAS_WORD.format(n=n) for n in words if n != longest]
    if question.sku is not None:
        checks.append(_HAS_SKU)
        finders.append(
            "(select distinct order_id from order_lines where sku = %(skus)s::jsonb ->> 0)"
        )
    if not checks:
        return keyset.sql(
            f"with found as (select * from orders as o where {where} {{page}}) {answer}"
        )
    return keyset.sql(f"""
with glance as materialized (
  select o.* from (
    select * from orders as o where {where} order by {keyset.order} limit {GLANCED_AT}
  ) as o where {" and ".join(checks)}
  {{page}}
), hits as materialized (
  select order_id from ({" intersect ".join(finders)}) as h
  where (select count(*) from glance) < %(page_rows)s
), found as (
  (select * from glance where (select count(*) from glance) = %(page_rows)s)
  union all (
    select o.* from hits join orders as o using (order_id)
    where {" and ".join([where, *others])}
    {{page}}
  )
) {answer}""")


_AGE: Final = """case when since > statement_timestamp() then 0
  else round(extract(epoch from statement_timestamp() - since), 3) end"""
_WAITING: Final = {
    "order_id": "o.order_id",
    "stage": "t.stage",
    "since": instant_sql("t.since"),
    "customer_id": "o.customer_id",
    "reference": "o.reference",
    "units": "case when t.stage in ('held', 'to_fulfil', 'to_ship') then units.to_ship"
    " when t.stage = 'to_deliver' then units.on_their_way"
    " when t.stage = 'to_return' then (select sum(i.quantity) from returns as r"
    " join return_items as i using (order_id, return_id)"
    " where r.order_id = o.order_id and r.state in ('requested', 'approved')) end",
    "amount": f"case when t.stage = 'to_pay' then {money('sums.owed')}"
    f" when t.stage = 'to_refund' then {money('sums.due_back')} end",
    "age_seconds": _AGE,
}
WORK_QUEUE: Final = get_work_queue.PAGE.sql(f"""
select * from (
  select 'stage' as kind, json_build_object(
      'stage', stage, 'meaning', meaning, 'waiting', coalesce(waiting, 0),
      'oldest_since', {instant_sql("since")}, 'oldest_age_seconds', {_AGE}
    )::text as item, null::timestamptz as since, null::uuid as order_id
  from unnest(%(stages)s, %(meanings)s) with ordinality as stages (stage, meaning, number)
  left join (
    select stage, count(*) as waiting, min(since) as since from order_tasks group by stage
  ) as tasks using (stage)
  order by number
) as counts
union all (
  select 'order', {as_object(_WAITING)}::text, t.since, t.order_id
  from (
    select * from order_tasks where stage = %(stage)s and {{after}}
    {{page}}
  ) as t join orders as o using (order_id) cross join lateral (
    select sum(l.ordered - l.cancelled - l.shipped) as to_ship,
      sum(l.shipped - l.delivered) as on_their_way
    from order_lines as l where l.order_id = o.order_id
  ) as units cross join lateral (
    select o.total - coalesce(sum(p.captured - p.refunded), 0) as owed,
      coalesce(sum(p.captured - p.refunded), 0) - o.total as due_back
    from payments as p where p.order_id = o.order_id
  ) as sums
  order by t.since, t.order_id
)
""")
