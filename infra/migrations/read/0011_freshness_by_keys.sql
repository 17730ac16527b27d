-- Every question asks how fresh its answer is. A function's short statements by keys take a tenth of
-- the time of one statement over all read models: what took it was to set the large plan up.

-- As_of of a generation, null while it is not known, and how many orders it does not speak for: the
-- relay withholds an event, or one is parked. An as_of that is later than the clock by more than two
-- hosts' clocks differ is no known age: a clock was set back, or is wrong. If the as_of of a single
-- partition is not known, that of the read model is not.
create function freshness_of_generation(
  of_model text, of_generation integer, out as_of timestamptz, out parked bigint
) language plpgsql stable as $$
declare
  latest constant timestamptz := statement_timestamp() + interval '0.5 seconds';
  withheld bigint;
begin
  select coalesce(max(w.withheld), 0),
    case when count(*) = max(w.partitions) and bool_and(coalesce(w.as_of <= latest, false))
      then least(min(w.as_of), statement_timestamp()) end
  into withheld, as_of
  from freshness_watermarks as w where w.projection = of_model;
  select withheld + count(distinct coalesce(p.order_id::text, p.id::text)) into parked
  from freshness_parked as p where p.read_model = of_model and p.generation = of_generation;
end
$$;

-- Per read model that has a live generation.
create or replace view freshness_as_of as
select g.read_model, g.generation, f.as_of, f.parked
from freshness_generations as g
cross join lateral freshness_of_generation(g.read_model, g.generation) as f
where g.state = 'live';

-- How fresh an answer from several read models is: it has the oldest one's age.
create or replace function freshness_of(read_models text[])
returns table (read_at timestamptz, as_of timestamptz, parked bigint, is_served boolean)
language plpgsql stable rows 1 as $$
declare
  name text;
  live integer;
  each record;
  is_known boolean := true;
begin
  read_at := statement_timestamp();
  parked := 0;
  is_served := true;
  foreach name in array read_models loop
    select g.generation into live from freshness_generations as g
    where g.read_model = name and g.state = 'live';
    if not found then
      is_served := false;
      continue;
    end if;
    each := freshness_of_generation(name, live);
    is_known := is_known and each.as_of is not null;
    as_of := least(as_of, each.as_of);
    parked := greatest(parked, each.parked);
  end loop;
  if not (is_known and is_served) then
    as_of := null;
  end if;
  return next;
end
$$;
