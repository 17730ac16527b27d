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

-- Per read model that has a live generation: its number, as_of, null while it is not known, and how
-- many orders as_of does not speak for: the relay withholds an event, or one is parked. An as_of that
-- is later than the clock by more than two hosts' clocks differ is no known age: a clock was set back,
-- or is wrong. If the as_of of a single partition is not known, that of the read model is not.
create view freshness_as_of as
select g.read_model, g.generation, w.as_of,
  coalesce(w.withheld, 0) + (
    select count(distinct coalesce(p.order_id::text, p.id::text)) from freshness_parked as p
    where p.read_model = g.read_model and p.generation = g.generation
  ) as parked
from freshness_generations as g left join (
  select projection, max(withheld) as withheld,
    case when count(*) = max(partitions)
      and bool_and(coalesce(as_of <= statement_timestamp() + interval '0.5 seconds', false))
    then least(min(as_of), statement_timestamp()) end as as_of
  from freshness_watermarks group by projection
) as w on w.projection = g.read_model
where g.state = 'live';
grant select on freshness_as_of to ordering_query;

-- How fresh an answer from several read models is. A session plans what is in a function once, where
-- it would plan a statement each time; that took longer than to carry it out.
create function freshness_of(read_models text[])
returns table (read_at timestamptz, as_of timestamptz, parked bigint, is_served boolean)
language plpgsql stable rows 1 as $$
begin
  return query
  select statement_timestamp(),
    case when count(f.as_of) = cardinality(read_models) then min(f.as_of) end,
    coalesce(max(f.parked), 0), count(*) = cardinality(read_models)
  from freshness_as_of as f where f.read_model = any(read_models);
end
$$;

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
