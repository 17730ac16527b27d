-- What searching, the work queue, top products and the list of customers are answered from.
create extension if not exists pg_trgm;

-- One row per order; search has the texts to look in, written as the code writes what is looked for.
create table templates.order_search (
  order_id uuid primary key,
  version integer not null,
  customer_id text not null,
  placed_at timestamptz not null,
  status text not null,
  currency text not null,
  total numeric not null,
  skus jsonb not null,
  search text not null,
  document json not null,
  last_event_time timestamptz
);
create index on templates.order_search (placed_at desc, order_id desc);
create index on templates.order_search (customer_id, placed_at desc, order_id desc);
create index on templates.order_search (status, placed_at desc, order_id desc);
create index on templates.order_search (currency, total desc, order_id desc);
create index on templates.order_search using gin (search gin_trgm_ops, skus jsonb_path_ops);
select begin_generation('order_search', 1);

-- What each order waits for, a row per stage, and how many wait in each.
create table templates.work_queue (
  order_id uuid primary key,
  version integer not null,
  customer_id text not null,
  document json not null,
  last_event_time timestamptz
);
create table templates.work_queue_rows (
  order_id uuid not null,
  stage text not null,
  since timestamptz not null,
  document json not null,
  primary key (order_id, stage)
);
create index on templates.work_queue_rows (stage, since, order_id);
create table templates.work_queue_sums (
  stage text primary key,
  waiting bigint not null
);
select begin_generation('work_queue', 1);

-- What was sold of each SKU; span is 'day' or 'month', and day the day or the first of the month.
create table templates.products (
  order_id uuid primary key,
  version integer not null,
  customer_id text not null,
  document json not null,
  last_event_time timestamptz
);
create table templates.products_sums (
  span text not null,
  day date not null,
  currency text not null,
  sku text not null,
  sold bigint not null,
  cancelled bigint not null,
  returned bigint not null,
  revenue numeric not null,
  primary key (span, day, currency, sku)
);
select begin_generation('products', 1);

-- The list of customers in each of its orders, and a customer's orders of one status: in the
-- templates and in every generation there is.
do $$
declare
  name text;
begin
  for name in
    select 'templates.customer_summary_sums'
    union all
    select format('customer_summary_sums_%s', generation) from generations
    where read_model = 'customer_summary'
  loop
    execute format('create index on %s (currency, lifetime_value desc, customer_id desc)', name);
    execute format('create index on %s (orders desc, customer_id desc, currency desc)', name);
    execute format('create index on %s (last_order_at desc, customer_id desc, currency desc)', name);
    execute format('create index on %s using gin (lower(customer_id) gin_trgm_ops)', name);
  end loop;
  for name in
    select 'templates.customer_orders'
    union all
    select format('customer_orders_%s', generation) from generations
    where read_model = 'customer_orders'
  loop
    execute format(
      'create index on %s (customer_id, status, placed_at desc, order_id desc)', name
    );
  end loop;
end
$$;
