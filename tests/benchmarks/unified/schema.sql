-- What the company has without the decision: one normalised database, in which commands write and
-- questions are asked. Every fact is in one place; what is stored although it follows from others is
-- what such systems store all the same: an order's status and totals, and the postings of accounting.
-- Constraints, foreign keys and indexes are those of a careful expert.

create extension if not exists pg_trgm;

create table customers (
  customer_id text primary key
);

create table products (
  sku text primary key,
  name text
);

create type address as (
  name text, street text, city text, region text, postal_code text, country text
);

create table orders (
  order_id uuid primary key,
  version integer not null check (version > 0),
  customer_id text not null references customers,
  currency text not null,
  reference text,
  status text not null,
  placed_at timestamptz not null,
  updated_at timestamptz not null,
  confirmed_at timestamptz,
  completed_at timestamptz,
  cancelled_at timestamptz,
  cancellation_reason text,
  held_since timestamptz,
  hold_reason text,
  fulfilment_started_at timestamptz,
  warehouse text,
  coupon_code text,
  coupon_percent_off numeric,
  coupon_amount_off numeric,
  shipping_fee numeric not null,
  last_line_id integer not null,
  lines_total numeric not null,
  discount numeric not null,
  tax numeric not null,
  shipping numeric not null,
  total numeric not null,
  shipping_address address not null,
  billing_address address,
  text text not null generated always as (lower(
    order_id::text || E'\n' || customer_id || E'\n' || coalesce(reference, '') || E'\n'
    || (shipping_address).name || E'\n' || (shipping_address).city || E'\n'
    || coalesce((billing_address).name, '') || E'\n' || coalesce((billing_address).city, '')
  )) stored
) with (fillfactor = 80);
-- The lists in their orders; a customer's sums need no row of the table.
create index orders_by_customer on orders (customer_id, placed_at desc, order_id desc)
  include (currency, status, total);
create index orders_by_time on orders (placed_at desc, order_id desc);
create index orders_by_status on orders (status, placed_at desc, order_id desc);
create index orders_by_total on orders (currency, total desc, order_id desc);

create index orders_by_text on orders using gin (text gin_trgm_ops);

create table order_lines (
  order_id uuid not null references orders,
  line_id integer not null,
  sku text not null references products,
  name text,
  unit_price numeric not null,
  discount numeric not null,
  tax_rate numeric not null,
  ordered integer not null,
  cancelled integer not null,
  shipped integer not null,
  lost integer not null,
  delivered integer not null,
  returned integer not null,
  total numeric not null,
  coupon_share numeric not null,
  tax numeric not null,
  text text not null generated always as (lower(sku || E'\n' || coalesce(name, ''))) stored,
  primary key (order_id, line_id)
) with (fillfactor = 80);
create index order_lines_by_sku on order_lines (sku, order_id);
create index order_lines_by_text on order_lines using gin (text gin_trgm_ops);

create table payments (
  order_id uuid not null references orders,
  payment_id text not null,
  number integer not null,
  method text not null,
  authorized numeric not null,
  captured numeric not null,
  refunded numeric not null,
  declined boolean not null,
  primary key (order_id, payment_id)
) with (fillfactor = 80);
create index payments_refunded on payments (order_id) include (refunded) where refunded > 0;

create table shipments (
  order_id uuid not null references orders,
  shipment_id text not null,
  number integer not null,
  carrier text not null,
  tracking_number text,
  state text not null,
  shipped_at timestamptz not null,
  delivered_at timestamptz,
  signed_by text,
  primary key (order_id, shipment_id)
) with (fillfactor = 80);
create index shipments_by_tracking_number on shipments
  using gin (lower(tracking_number) gin_trgm_ops);

create table shipment_items (
  order_id uuid not null,
  shipment_id text not null,
  number integer not null,
  line_id integer not null,
  quantity integer not null,
  primary key (order_id, shipment_id, line_id),
  foreign key (order_id, shipment_id) references shipments
);

create table returns (
  order_id uuid not null references orders,
  return_id text not null,
  number integer not null,
  state text not null,
  requested_at timestamptz not null,
  primary key (order_id, return_id)
) with (fillfactor = 80);
create index returns_received on returns (order_id) where state = 'received';

create table return_items (
  order_id uuid not null,
  return_id text not null,
  number integer not null,
  line_id integer not null,
  quantity integer not null,
  reason text not null,
  primary key (order_id, return_id, line_id),
  foreign key (order_id, return_id) references returns
);

-- What really came: it may name lines that were not asked for, and their order is kept.
create table received_items (
  order_id uuid not null,
  return_id text not null,
  number integer not null,
  line_id integer not null,
  quantity integer not null,
  primary key (order_id, return_id, line_id),
  foreign key (order_id, return_id) references returns
);

create table refunds (
  order_id uuid not null references orders,
  refund_id text not null,
  number integer not null,
  payment_id text not null,
  amount numeric not null,
  reason text not null,
  primary key (order_id, refund_id)
);

create table notes (
  order_id uuid not null references orders,
  version integer not null,
  at timestamptz not null,
  actor text not null,
  text text not null,
  primary key (order_id, version)
);

-- The audit trail: what happened to an order, and what that changed.
create table order_changes (
  order_id uuid not null references orders,
  version integer not null,
  event text not null,
  at timestamptz not null,
  actor text not null,
  status text not null,
  details jsonb not null,
  changes jsonb not null,
  primary key (order_id, version)
);

-- What waits for somebody, as a list of tasks.
create table order_tasks (
  order_id uuid not null references orders,
  stage text not null,
  since timestamptz not null,
  primary key (order_id, stage)
);
create index order_tasks_by_age on order_tasks (stage, since, order_id);

-- Accounting: what was sold, cancelled, returned and refunded, when it happened. The indexes answer
-- sums over any time without the tables.
create table order_postings (
  order_id uuid not null references orders,
  version integer not null,
  at timestamptz not null,
  currency text not null,
  orders integer not null,
  items integer not null,
  gross numeric not null,
  discounts numeric not null,
  tax numeric not null,
  shipping numeric not null,
  cancelled numeric not null,
  returned numeric not null,
  refunded numeric not null,
  primary key (order_id, version)
);
create index order_postings_by_time on order_postings (at)
  include (currency, orders, items, gross, discounts, tax, shipping, cancelled, returned, refunded);

create table line_postings (
  order_id uuid not null references orders,
  version integer not null,
  line_id integer not null,
  at timestamptz not null,
  currency text not null,
  sku text not null references products,
  sold integer not null,
  cancelled integer not null,
  returned integer not null,
  revenue numeric not null,
  primary key (order_id, version, line_id)
);
create index line_postings_by_time on line_postings (at)
  include (currency, sku, sold, cancelled, returned, revenue);

-- The answers to idempotency keys, as the write side keeps them.
create table command_results (
  principal text not null,
  idempotency_key text not null,
  request_hash bytea not null,
  answer jsonb not null,
  recorded_at timestamptz not null default now(),
  primary key (principal, idempotency_key)
);
create index command_results_by_age on command_results (recorded_at);
