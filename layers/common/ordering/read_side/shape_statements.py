"""The parts of a WITH by which shapes write their tables; ``{n}`` is the generation's number."""

from __future__ import annotations

from typing import Final

ORDERS_WRITTEN: Final = """
given{n} as materialized (
  select * from json_to_recordset(%(orders{n})s::json) as r (
    order_id uuid, version int, stamp text, document json, last_event_time timestamptz
  )
), inserted{n} as (
  insert into {table} (order_id, version, last_event_time, document, {columns})
  select r.order_id, r.version, r.last_event_time, r.document, {values}
  from given{n} as r where r.stamp is null
  on conflict do nothing returning 1
), updated{n} as (
  update {table} as t
  set (version, last_event_time, document, {columns})
    = row(r.version, r.last_event_time, r.document, {values})
  from given{n} as r
  where t.order_id = r.order_id and t.xmin::text = r.stamp and r.version is not null
  returning 1
), deleted{n} as (
  delete from {table} as t using given{n} as r
  where t.order_id = r.order_id and t.xmin::text = r.stamp and r.version is null
  returning 1
)"""
ROWS_WRITTEN: Final = """
row{n} as materialized (
  select * from json_to_recordset(%(rows{n})s::json) as r (order_id uuid, key {type}, document json)
), put{n} as (
  insert into {table} (order_id, {key}, document{columns})
  select r.order_id, r.key, r.document{values} from row{n} as r where r.document is not null
  on conflict (order_id, {key}) do update set document = excluded.document{updates}
), removed{n} as (
  delete from {table} as t using row{n} as r
  where t.order_id = r.order_id and t.{key} = r.key and r.document is null
), replaced{n} as (
  delete from {table} as t
  where t.order_id = any(%(replaced{n})s::uuid[]) and not exists (
    select from row{n} as r where r.order_id = t.order_id and r.key = t.{key}
  )
)"""
# The rows of the sums are locked in the order of their keys, so that no two writers deadlock.
SUMS_MOVED: Final = """
moved{n} as (
  insert into {table} as s ({keys}, {measures})
  select {keys}, {moves}
  from json_to_recordset(%(moves{n})s::json) as r (sign int, {types})
  group by {keys} order by {keys}
  on conflict ({keys}) do update set {updates}
)"""
