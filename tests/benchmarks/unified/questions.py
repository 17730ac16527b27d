"""The questions of the HTTP contract, asked of the unified model, with the same answers.

Fields, their checks, cursors and the JSON around the rows are those of the queries' own files; what
differs is the SQL. Each question is one statement, as there. ``get_read_models`` has no counterpart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic import ValidationError

from ordering.domain.errors import NotFound
from ordering.read_side.answers import Answer
from ordering.read_side.paging import Keyset
from ordering.read_side.query import QueryFunction
from ordering.read_side.searching import GLANCED_AT, MOST_WORDS
from ordering.read_side.written import CURRENCY_SUMMARY, instant_sql, money_sql
from ordering.runtime.findings import findings
from ordering.runtime.function import HttpFunction
from ordering.runtime.http import Problem, invalid_fields, json_response
from ordering.runtime.problem_types import ProblemType
from ordering.runtime.settings import ReadSide
from queries import (
    get_customer_summary,
    get_order,
    get_order_history,
    get_sales_by_day,
    get_top_products,
    get_work_queue,
    list_customer_orders,
    list_customers,
    search_orders,
)

from .order_sql import as_object, coupon, instant, money, parts, totals

if TYPE_CHECKING:
    from collections.abc import Callable

    from ordering.runtime.http import Request, Response

_BALANCE: Final = """
  (select json_build_object(
      'owed', {owed}, 'authorized', {authorized}, 'captured', {captured},
      'due_back', {due_back}, 'refunded', {refunded}
    ) from (
      select greatest(o.total - s.captured + s.refunded, s.zero) as owed, s.authorized, s.captured,
        greatest(s.captured - s.refunded - o.total, s.zero) as due_back, s.refunded
      from (
        select o.total - o.total as zero,
          coalesce(sum(p.authorized) filter (where not p.declined), 0) + o.total - o.total
            as authorized,
          coalesce(sum(p.captured), 0) + o.total - o.total as captured,
          coalesce(sum(p.refunded), 0) + o.total - o.total as refunded
        from payments as p where p.order_id = o.order_id
      ) as s
    ) as b)
""".format(
    **{
        name: money(f"b.{name}")
        for name in ("owed", "authorized", "captured", "due_back", "refunded")
    }
)
_UNITS: Final = """
  (select json_build_object(
      'lines', count(*), 'kept', sum(l.ordered - l.cancelled - l.returned),
      'to_ship', sum(l.ordered - l.cancelled - l.shipped), 'shipped', sum(l.shipped),
      'delivered', sum(l.delivered), 'returned', sum(l.returned)
    ) from order_lines as l where l.order_id = o.order_id)
"""
_NOTES: Final = f"""
  (select coalesce(json_agg(json_build_object(
      'at', {instant_sql("n.at")}, 'actor', n.actor, 'text', n.text
    ) order by n.version), '[]') from notes as n where n.order_id = o.order_id)
"""
_DOCUMENT: Final = as_object(
    {
        **{n: f"o.{n}" for n in ("order_id", "version", "status", "customer_id", "currency")},
        "reference": "o.reference",
        **{
            n: instant(f"o.{n}")
            for n in ("updated_at", "placed_at", "confirmed_at", "completed_at", "cancelled_at")
        },
        "cancellation_reason": "o.cancellation_reason",
        "held": "case when o.held_since is not null then json_build_object("
        f"'since', {instant_sql('o.held_since')}, 'reason', o.hold_reason) end",
        "fulfilment": "case when o.fulfilment_started_at is not null then json_build_object("
        f"'started_at', {instant_sql('o.fulfilment_started_at')}, 'warehouse', o.warehouse) end",
        "coupon": coupon(),
        "totals": totals(money),
        "balance": _BALANCE,
        "units": _UNITS,
        **parts(money),
        "notes": _NOTES,
        "shipping_address": "row_to_json(o.shipping_address)",
        "billing_address": "row_to_json(o.billing_address)",
    }
)
ORDER: Final = f"""
select {_DOCUMENT}::text, o.version from orders as o
where o.order_id = %(order_id)s::uuid and (%(caller)s is null or o.customer_id = %(caller)s)
"""

_ITEM: Final = {
    **{n: f"o.{n}" for n in ("order_id", "customer_id", "reference", "currency", "version")},
    "placed_at": instant_sql("o.placed_at"),
    "status": "o.status",
    "updated_at": instant_sql("o.updated_at"),
    "total": money("o.total"),
    "line_count": "units.line_count",
    "item_count": "units.item_count",
}
_OF_UNITS: Final = """cross join lateral (
  select count(*) as line_count, sum(l.ordered - l.cancelled - l.returned) as item_count
  from order_lines as l where l.order_id = o.order_id
) as units"""

CUSTOMER_ORDERS: Final = list_customer_orders.PAGE.sql(f"""
select {as_object(_ITEM)}::text, o.placed_at, o.order_id
from (
  select * from orders
  where customer_id = %(customer_id)s
    and (%(status)s is null or status = %(status)s)
    and (%(from)s::timestamptz is null or placed_at >= %(from)s::timestamptz)
    and (%(to)s::timestamptz is null or placed_at < %(to)s::timestamptz)
    and {{after}}
  {{page}}
) as o {_OF_UNITS}
order by o.placed_at desc, o.order_id desc
""")

HISTORY: Final = get_order_history.PAGE.sql(
    """
select item, {key}, whole > count(*) over () as is_cut from (
  select item, count(*) over () as whole, {key}, row_number() over (order by {key}) as position,
    sum(octet_length(item)) over (order by {key}) as bytes
  from (
    select json_build_object('version', version, 'event', event, 'at', """
    + instant_sql("at")
    + """, 'actor', actor, 'status', status, 'details', details, 'changes', changes)::text as item,
      {key}
    from order_changes
    where order_id = %(order_id)s::uuid and exists (
        select from orders as o where o.order_id = %(order_id)s::uuid
          and (%(caller)s is null or o.customer_id = %(caller)s)
      )
      and {after}
    {page}
  ) as page
) as sized
where position = 1 or bytes <= %(most_bytes)s
order by {key}
"""
)

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


def _words(column: str) -> str:
    return " and ".join(
        f"(%(word{n})s is null or {column} like %(word{n})s)" for n in range(MOST_WORDS)
    )


def customers(question: Any) -> str:  # noqa: ANN401 - a question of any class
    """Return the statement of a page of customers, in the order that is asked for."""
    keyset: Keyset = list_customers.LISTS[question.order_by].keyset
    return keyset.sql(f"""
select true, false, json_build_object('customer_id', customer_id, {CURRENCY_SUMMARY})::text, {{key}}
from (
  select * from (
    select customer_id, currency, {_SUMMED} from orders
    where (%(currency)s is null or currency = %(currency)s) and {_words("lower(customer_id)")}
    group by customer_id, currency
  ) as summed
  where {{after}}
  {{page}}
) as c {_SENT_BACK}
order by {keyset.order}
""")


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
    or exists (select from order_lines as l where l.order_id = o.order_id and l.text like %(word{n})s)
    or exists (select from shipments as s
      where s.order_id = o.order_id and lower(s.tracking_number) like %(word{n})s))"""
_WITH_WORD: Final = """(
    select order_id from orders where text like %(word{n})s
    union select order_id from order_lines where text like %(word{n})s
    union select order_id from shipments where lower(tracking_number) like %(word{n})s
  )"""


def searched(question: Any) -> str:  # noqa: ANN401 - a question of any class
    """Return the statement of a page of orders, with the conditions that are asked for alone.

    As on the read side, what nearly all orders have fills a page at a glance at the first of them;
    else the indexes of words and SKUs find the orders.
    """
    keyset: Keyset = search_orders.LISTS[question.order_by].keyset
    conditions = [sql for name, sql in _SEARCHED.items() if getattr(question, name) is not None]
    where = " and ".join(["{after}", *conditions])
    item = as_object(
        _ITEM
        | {
            "shipping_name": "(o.shipping_address).name",
            "shipping_city": "(o.shipping_address).city",
        }
    )
    answer = f"""
select true, false, {item}::text, {{key}}
from found as o {_OF_UNITS}
order by {keyset.order}
"""
    words = [] if question.q is None else range(len(question.q.split()))
    checks = [_HAS_WORD.format(n=n) for n in words]
    finders = [_WITH_WORD.format(n=n) for n in words]
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
    select o.* from hits join orders as o using (order_id) where {where}
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

_POSTED: Final = (
    "orders items gross discounts tax shipping cancelled returned refunded".split()  # noqa: SIM905 - easier to read
)
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


class _Asked(NamedTuple):
    """A question: the file it shares with the read side, and its SQL here."""

    module: Any
    sql: Callable[[Any], str]


def _always(sql: str) -> Callable[[Any], str]:
    return lambda _: sql


ZONE: Final = "UTC"
"""The business' time zone in benchmarks: the one that functions have by default."""
QUESTIONS: Final = {
    "get_order": _Asked(get_order, _always(ORDER)),
    "get_order_history": _Asked(get_order_history, _always(HISTORY)),
    "list_customer_orders": _Asked(list_customer_orders, _always(CUSTOMER_ORDERS)),
    "get_customer_summary": _Asked(get_customer_summary, _always(CUSTOMER)),
    "list_customers": _Asked(list_customers, customers),
    "search_orders": _Asked(search_orders, searched),
    "get_work_queue": _Asked(get_work_queue, _always(WORK_QUEUE)),
    "get_sales_by_day": _Asked(get_sales_by_day, _always(sales(ZONE))),
    "get_top_products": _Asked(get_top_products, lambda q: products(q.order_by, ZONE)),
}


class UnifiedQuery(HttpFunction):
    """The handler of one question: what ``QueryFunction`` is, without what freshness needs."""

    side = ReadSide
    kind = "Query"

    def __init__(self, asked: _Asked) -> None:
        self._module = asked.module
        self._sql_of = asked.sql
        shared: QueryFunction[Any] = asked.module.handler
        self._question = shared.question
        self._is_single_resource = shared.is_single_resource
        super().__init__()

    def _respond(self, request: Request) -> tuple[Response, str]:
        try:
            question = self._question.model_validate({**request.query, **request.path_parameters})
        except ValidationError as error:
            raise invalid_fields(findings(error)) from error
        parameters = self._module.parameters(question, request.principal)
        if isinstance(parameters, NotFound):
            raise _problem(parameters)
        caller = {"caller": request.principal.confined_to}
        rows = self._database.rows(self._sql_of(question), {**parameters, **caller})
        answer: Answer[Any] | NotFound = self._module.answer(question, rows)
        if isinstance(answer, NotFound):
            raise _problem(answer)
        headers = {
            "cache-control": "private, no-cache",
            "x-correlation-id": request.correlation_id,
        }
        if self._is_single_resource:
            headers["etag"] = f'"{answer.version}"'
        response = json_response(200, answer.body, headers)
        return response, self._request_line(request, response["statusCode"], "answered")


def _problem(refusal: NotFound) -> Problem:
    return Problem(ProblemType(404, refusal.code), refusal.detail)
