-- What happened to each order, event by event.
create table templates.order_history (
  order_id uuid primary key,
  version integer not null,
  customer_id text not null,
  document json not null,
  last_event_time timestamptz
);
create table templates.order_history_rows (
  order_id uuid not null,
  version integer not null,
  document json not null,
  primary key (order_id, version)
);
select begin_generation('order_history', 1);

-- What each customer ordered, per currency.
create table templates.customer_summary (
  order_id uuid primary key,
  version integer not null,
  customer_id text not null,
  document json not null,
  last_event_time timestamptz
);
create table templates.customer_summary_sums (
  customer_id text not null,
  currency text not null,
  orders bigint not null,
  cancelled bigint not null,
  lifetime_value numeric not null,
  returns bigint not null,
  refunded numeric not null,
  first_order_at timestamptz,
  last_order_at timestamptz,
  primary key (customer_id, currency)
);
select begin_generation('customer_summary', 1);
