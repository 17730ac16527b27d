"""A large read side, made by SQL: what queries cost does not depend on how the rows came there.

Every order has the word "organic" and the SKU COMMON; few have the word "quince" and the SKU RARE.
One customer has every twentieth order, and the orders of eight hours share their ``placed_at``.
"""

from __future__ import annotations

import contextlib
import hashlib
import uuid
from typing import Final

import psycopg2

ORDER: Final = str(uuid.UUID(hashlib.md5(b"order 1").hexdigest()))  # noqa: S324 - no secret
"""The id of one of the orders."""
_MAKE: Final = """
set statement_timeout = 0;
set maintenance_work_mem = '256MB';
create temporary table made as
select n, md5('order ' || n)::uuid as order_id, (n %% 7) + 2 as version,
  case when n %% 20 = 0 then 'C-BIG' else 'C-' || (n * 7919 %% greatest(1, %(orders)s / 20)) end
    as customer_id,
  timestamptz '2024-01-01 00:00Z' + n / 96 * interval '8 hours' as placed_at,
  case
    when n %% 100 < 85 then 'completed'
    when n %% 100 < 90 then 'return_requested'
    when n %% 100 < 94 then 'shipped'
    when n %% 100 < 96 then 'paid'
    when n %% 100 = 96 then 'confirmed'
    when n %% 100 = 97 then 'cancelled'
    when n %% 100 = 98 then 'placed'
    when n %% 1000 = 99 then 'held'
    else 'in_fulfilment'
  end as status,
  case when n %% 10 < 8 then 'EUR' when n %% 10 = 8 then 'USD' else 'JPY' end as currency,
  round((n * 37 %% 100000) / 10.0, case when n %% 10 = 9 then 0 else 2 end) as total,
  jsonb_build_array('COMMON', 'SKU-' || n * 31 %% 2000, 'SKU-' || n * 17 %% 97)
    || case when n %% 20011 = 7 then '["RARE"]'::jsonb else '[]'::jsonb end as skus,
  'R-' || n as reference,
  'Ann Name' || n %% 5003 as name, 'City' || n %% 211 as city,
  'TRACK' || upper(substr(md5('track ' || n), 1, 10)) as tracking
from generate_series(1, %(orders)s::bigint) as n;
alter table made add column item json;
update made set item = json_build_object(
  'order_id', order_id, 'customer_id', customer_id, 'reference', reference,
  'placed_at', to_char(placed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
  'currency', currency, 'version', version, 'status', status, 'updated_at', placed_at,
  'total', json_build_object('amount', total::text, 'currency', currency),
  'line_count', 3, 'item_count', 5
);
"""
_TABLES: Final = {
    "order_details": "insert into {table} select order_id, version, customer_id, item, placed_at"
    " from made",
    "customer_orders": "insert into {table} (order_id, version, customer_id, placed_at, status,"
    " document, last_event_time) select order_id, version, customer_id, placed_at, status, item,"
    " placed_at from made",
    "order_history": "insert into {table} select order_id, version, customer_id, '{{}}', placed_at"
    " from made",
    "order_history_rows": "insert into {table} select order_id, 1, item from made",
    "customer_summary_sums": "insert into {table} select customer_id, currency, count(*), 0,"
    " sum(total), 0, 0.00, min(placed_at), max(placed_at) from made group by 1, 2",
    "sales_sums": "insert into {table} select placed_at::date, currency, count(*), 5 * count(*),"
    " sum(total), 0, 0, 0, 0, 0, 0 from made group by 1, 2",
    "order_search": "insert into {table} (order_id, version, customer_id, placed_at, status,"
    " currency, total, skus, search, document, last_event_time) select order_id, version,"
    " customer_id, placed_at, status, currency, total, skus, lower(concat_ws(E'\\n', order_id,"
    " customer_id, reference, name, city, skus ->> 1, skus ->> 2, tracking, 'organic pear',"
    " case when n % 20011 = 7 then 'quince' end)), json_build_object('item', item), placed_at"
    " from made",
    "work_queue_rows": "insert into {table} (order_id, stage, since, document)"
    " select order_id, stage, placed_at, json_build_object('order_id', order_id, 'stage', stage,"
    " 'since', placed_at, 'customer_id', customer_id, 'reference', reference, 'units', null,"
    " 'amount', null) from made join (values ('confirmed', 'to_pay'), ('paid', 'to_fulfil'),"
    " ('in_fulfilment', 'to_ship'), ('shipped', 'to_deliver'), ('return_requested', 'to_return'),"
    " ('held', 'held'), ('cancelled', 'to_refund')) as s (status, stage) using (status)",
    "work_queue_sums": "insert into {table} select stage, count(*) from work_queue_rows group by 1",
    "products_sums": "insert into {table} select span, case when span = 'all' then '0001-01-01'"
    " else date_trunc(span, placed_at)::date end, currency, sku, count(*), 0, 0, sum(total)"
    " from made, jsonb_array_elements_text(skus) as sku,"
    " unnest(array['day', 'month', 'year', 'all']) as span group by 1, 2, 3, 4",
}


def make_large(conninfo: str, orders: int) -> None:
    """Put so many orders into the first generation of every read model, which has to be empty.

    Of sums there are the sums, without the orders' shares, which no question reads. Every read
    model is fresh afterwards, as of now. ``conninfo`` is the owner's.
    """
    with contextlib.closing(psycopg2.connect(conninfo)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(_MAKE % {"orders": orders})
            for table, statement in _TABLES.items():
                # To build an index at once takes a quarter of the time.
                cursor.execute(
                    "select indexname, indexdef from pg_indexes where tablename = %(table)s"
                    " and indexdef like '%% USING gin %%'",
                    {"table": f"{table}_1"},
                )
                indexes = cursor.fetchall()
                for name, _ in indexes:
                    cursor.execute(f"drop index {name}")
                cursor.execute(statement.format(table=f"{table}_1"))
                for _, definition in indexes:
                    cursor.execute(definition)
            cursor.execute(FRESH)
            cursor.execute("vacuum analyze")


FRESH: Final = """
insert into watermarks (projection, partition, partitions, as_of, newest_watermark, next_offset)
select distinct read_model, 0, 1, now(), now(), 1 from generations
"""
"""Every read model is fresh, as of now."""
