-- A day of sales as it is sent: to make the JSON of many days took most of an answer's time.
create function money_json(amount numeric, currency text) returns text
language sql immutable parallel safe
return '{"amount": "' || amount::text || '", "currency": "' || currency || '"}';

create function sales_item(
  day date, currency text, orders bigint, items bigint, gross numeric, discounts numeric,
  tax numeric, shipping numeric, cancelled numeric, returned numeric, refunded numeric
) returns text language sql immutable parallel safe
return '{"day": "' || to_char(day, 'YYYY-MM-DD') || '", "currency": "' || currency
  || '", "orders": ' || orders::text || ', "items": ' || items::text
  || ', "gross": ' || money_json(gross, currency)
  || ', "discounts": ' || money_json(discounts, currency)
  || ', "tax": ' || money_json(tax, currency)
  || ', "shipping": ' || money_json(shipping, currency)
  || ', "cancelled": ' || money_json(cancelled, currency)
  || ', "returned": ' || money_json(returned, currency)
  || ', "refunded": ' || money_json(refunded, currency)
  || ', "net": '
  || money_json(gross - discounts + tax + shipping - cancelled - returned, currency) || '}';

do $$
declare
  name text;
  live integer;
begin
  for name in
    select 'templates.sales_sums'
    union all
    select format('sales_sums_%s', generation) from generations where read_model = 'sales'
  loop
    execute format(
      'alter table %s add column item text generated always as (sales_item('
      'day, currency, orders, items, gross, discounts, tax, shipping, cancelled, returned, refunded'
      ')) stored', name
    );
  end loop;
  -- Views have the columns that their tables had when they were made.
  select coalesce(min(generation) filter (where state = 'live'), min(generation)) into live
  from generations where read_model = 'sales';
  perform point_views('sales', live);
end
$$;

-- Queries have to know what a generation has while another is being filled.
create or replace view freshness_generations as
select read_model, generation, state, orders_expected, orders_filled, filling_seconds, filled_at,
  revision
from generations;

-- Products have sums of years and of all time too (revision 2), and the best of a month, a year or
-- all time are found by an index. A day has so few that they are sorted.
create index on templates.products_sums
  (span, day, (sold - cancelled - returned) desc, sku, currency) where span <> 'day';
create index on templates.products_sums
  (span, day, currency, (sold - cancelled - returned) desc, sku) where span <> 'day';
create index on templates.products_sums
  (span, day, currency, revenue desc, sku) where span <> 'day';

-- One of revision 1 that is still being built is begun anew.
do $$
declare
  number integer;
  name text;
begin
  select generation into number from generations
  where read_model = 'products' and state = 'building';
  if found then
    for name in select tables_of('products') loop
      execute format('drop table %I cascade', name || '_' || number);
    end loop;
    delete from orders_behind where read_model = 'products' and generation = number;
    delete from parked_events where read_model = 'products' and generation = number;
    delete from generations where read_model = 'products' and generation = number;
  end if;
end
$$;
select begin_generation('products', 2);
