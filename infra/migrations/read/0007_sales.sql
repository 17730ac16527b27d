-- What was sold, per day of the business and currency.
create table templates.sales (
  order_id uuid primary key,
  version integer not null,
  customer_id text not null,
  document json not null,
  last_event_time timestamptz
);
create table templates.sales_sums (
  day date not null,
  currency text not null,
  orders bigint not null,
  items bigint not null,
  gross numeric not null,
  discounts numeric not null,
  tax numeric not null,
  shipping numeric not null,
  cancelled numeric not null,
  returned numeric not null,
  refunded numeric not null,
  primary key (day, currency)
);
select begin_generation('sales', 1);
