-- The read side: one table per read model, each row with the order version it has applied, and how
-- far each projection has got.

-- document is the answer of GET /orders/{order_id} as it is sent.
create table order_details (
  order_id uuid primary key,
  version integer not null,
  customer_id text not null,
  document json not null
) with (fillfactor = 70);

-- document is one item of GET /customers/{customer_id}/orders as it is sent.
create table customer_orders (
  order_id uuid primary key,
  version integer not null,
  customer_id text not null,
  placed_at timestamptz not null,
  status text not null,
  document json not null
) with (fillfactor = 70);
create index customer_orders_newest_first
  on customer_orders (customer_id, placed_at desc, order_id desc);

-- Every command acknowledged before as_of is applied by the projection, as far as the partition goes;
-- the projection is as fresh as the oldest of its partitions. next_offset is where the next batch has
-- to begin. When one began later, records were skipped: gap_at says where, and as_of stands still.
create table watermarks (
  projection text not null,
  partition integer not null,
  partitions integer,
  as_of timestamptz,
  next_offset bigint not null,
  gap_at bigint,
  primary key (projection, partition)
) with (fillfactor = 50);

do $$
declare
  role_name text;
begin
  foreach role_name in array array['ordering_projector', 'ordering_query'] loop
    if not exists (select from pg_roles where rolname = role_name) then
      execute format('create role %I login', role_name);
    end if;
    if exists (select from pg_roles where rolname = 'rds_iam') then
      execute format('grant rds_iam to %I', role_name);
    end if;
  end loop;
end
$$;
grant select, insert, update, delete on order_details, customer_orders, watermarks
  to ordering_projector;
grant select on order_details, customer_orders, watermarks to ordering_query;

-- Nobody waits for ever: a lock that is not had soon is an answer, 503, and tried again.
do $$
begin
  execute format('alter database %I set lock_timeout = %L', current_database(), '3s');
  execute format('alter database %I set statement_timeout = %L', current_database(), '10s');
  execute format(
    'alter database %I set idle_in_transaction_session_timeout = %L', current_database(), '30s'
  );
end
$$;
