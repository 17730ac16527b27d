"""The SQL of questions about one order, asked of the unified model."""

from __future__ import annotations

from typing import Final

from ordering.read_side.written import instant_sql
from queries import get_order_history

from .order_sql import as_object, coupon, instant, money, parts, totals

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
