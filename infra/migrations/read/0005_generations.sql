-- A read model has generations: numbered tables, of which queries read one by a view of the read
-- model's name. Another one is filled beside it, and the view is switched.

-- The tables of a generation are made like those here, which stay empty. A new shape of a read model
-- changes its table here, and the next generation has it.
create schema templates;

-- revision: which fold and shape the rows are of. filled_to: the last order of the log that the fill
-- has passed; filled_at: when it had passed all. is_incomplete: records were skipped while it was
-- written, so that it must not be live again.
create table generations (
  read_model text not null,
  generation integer not null,
  revision integer not null,
  state text not null check (state in ('building', 'live', 'following')),
  began_at timestamptz not null default clock_timestamp(),
  orders_expected bigint,
  orders_filled bigint not null default 0,
  events_filled bigint not null default 0,
  filling_seconds double precision not null default 0,
  events_per_second integer not null default 2000 check (events_per_second > 0),
  filled_to uuid,
  filled_at timestamptz,
  is_incomplete boolean not null default false,
  primary key (read_model, generation)
) with (fillfactor = 50);
create unique index generations_live on generations (read_model) where state = 'live';
create unique index generations_building on generations (read_model) where state = 'building';

-- Orders whose row in a generation that is not live has to be folded anew from the log.
create table orders_behind (
  read_model text not null,
  generation integer not null,
  order_id uuid not null,
  reason text not null,
  noted_at timestamptz not null default clock_timestamp(),
  primary key (read_model, generation, order_id)
);

-- Events that could not be applied, with their errors, and behind each those of the same order that
-- came later, without. order_id null: a record that says of no order that it is its.
create table parked_events (
  id bigint generated always as identity primary key,
  read_model text not null,
  generation integer not null,
  order_id uuid,
  customer_id text,
  version integer,
  event_type text,
  partition integer,
  record_offset bigint,
  record_key bytea,
  record bytea,
  error text,
  parked_at timestamptz not null default clock_timestamp()
);
create index parked_events_of_order on parked_events (order_id, read_model, generation);
create index parked_events_of_read_model on parked_events (read_model, generation, order_id);
create unique index parked_events_version on parked_events (read_model, generation, order_id, version)
  where version is not null;
create unique index parked_events_record
  on parked_events (read_model, generation, partition, record_offset, md5(coalesce(record, '')));

-- Versions that every fold of the order passes over, since an operator said so.
create table discarded_events (
  read_model text not null,
  order_id uuid not null,
  version integer not null,
  who text not null,
  reason text not null,
  discarded_at timestamptz not null default clock_timestamp(),
  primary key (read_model, order_id, version)
);

-- Who did what to the read models, when and why.
create table operations (
  id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  operation text not null,
  who text not null,
  reason text not null,
  details jsonb not null
);

-- When as_of began to stand still.
alter table watermarks add column gap_since timestamptz;
update watermarks set gap_since = now() where gap_at is not null;

do $$
begin
  if not exists (select from pg_roles where rolname = 'ordering_operation') then
    create role ordering_operation login;
  end if;
  if exists (select from pg_roles where rolname = 'rds_iam') then
    grant rds_iam to ordering_operation;
  end if;
end
$$;

-- Raises serialization_failure unless as many rows were written as were meant, and the generations
-- are those that the writer has read: then everything is read and done again.
create function require_written(
  expected bigint, written bigint, read_model text, known text
) returns boolean language plpgsql as $$
declare
  generations_now text := coalesce((
    select string_agg(
      format('%s:%s:%s', g.generation, g.revision, g.state), ','
      order by g.state <> 'live', g.generation
    )
    from generations as g where g.read_model = require_written.read_model
  ), '');
begin
  if expected <> written or generations_now <> known then
    raise serialization_failure using message = format(
      'another writer: %s rows of %s, generations %s', written, expected, generations_now
    );
  end if;
  return true;
end
$$;

-- The names of a read model's tables and views without the generation's number.
create function tables_of(read_model text) returns setof text language sql stable as $$
  select tablename::text from pg_tables where schemaname = 'templates'
    and tablename in (read_model, read_model || '_rows', read_model || '_sums')
$$;

create function lock_read_model(read_model text) returns void language sql as $$
  select pg_advisory_xact_lock(7230515, hashtext(read_model))
$$;

create function point_views(read_model text, generation integer) returns void
language plpgsql as $$
declare
  name text;
begin
  for name in select tables_of(read_model) loop
    execute format('drop view if exists %I', name);
    execute format('create view %I as select * from %I', name, name || '_' || generation);
    execute format(
      'grant select on %I to ordering_query, ordering_projector, ordering_operation', name
    );
  end loop;
end
$$;

-- Makes the tables of a new generation and returns its number, or that of the one being built.
create function begin_generation(read_model text, revision integer) returns integer
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  number integer;
  name text;
begin
  perform lock_read_model(read_model);
  if not exists (select tables_of(read_model)) then
    raise undefined_table using message = format('there is no read model %s', read_model);
  end if;
  select g.generation into number from generations as g
  where g.read_model = begin_generation.read_model and g.state = 'building';
  if found then
    return number;
  end if;
  select coalesce(max(g.generation), 0) + 1 into number from generations as g
  where g.read_model = begin_generation.read_model;
  for name in select tables_of(read_model) loop
    execute format(
      'create table %I (like templates.%I including all) with (fillfactor = 70)',
      name || '_' || number, name
    );
    execute format(
      'grant select, insert, update, delete on %I to ordering_projector, ordering_operation',
      name || '_' || number
    );
  end loop;
  insert into generations (read_model, generation, revision, state)
  values (read_model, number, revision, 'building');
  if number = 1 then
    perform point_views(read_model, number);
  end if;
  return number;
end
$$;

-- Makes a generation the one that queries read, in which nothing may be behind.
create function switch_generation(read_model text, generation integer) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  next generations;
  behind bigint;
begin
  perform lock_read_model(read_model);
  select * into next from generations as g
  where g.read_model = switch_generation.read_model and g.generation = switch_generation.generation;
  select count(*) into behind from orders_behind as o
  where o.read_model = switch_generation.read_model and o.generation = switch_generation.generation;
  if next is null then
    raise object_not_in_prerequisite_state
      using message = format('%s has no generation %s', read_model, generation);
  elsif next.state = 'live' then
    return;
  elsif next.filled_at is null then
    raise object_not_in_prerequisite_state using message = 'it is not filled yet';
  elsif next.is_incomplete then
    raise object_not_in_prerequisite_state
      using message = 'it lacks records that were skipped; fill a new generation';
  elsif behind > 0 then
    raise object_not_in_prerequisite_state using message = format('%s orders are behind', behind);
  end if;
  perform point_views(read_model, generation);
  -- What was skipped before the new generation began is in it, for it was filled from the log; the
  -- older ones lack it.
  update generations as g set is_incomplete = true
  where g.read_model = next.read_model and g.began_at < next.began_at and exists (
    select from watermarks as w
    where w.projection = next.read_model and w.gap_since between g.began_at and next.began_at
  );
  update watermarks set gap_at = null, gap_reason = null, gap_since = null
  where projection = next.read_model and gap_since < next.began_at;
  update generations as g set state = 'following'
  where g.read_model = next.read_model and g.state = 'live';
  update generations as g set state = 'live'
  where g.read_model = next.read_model and g.generation = next.generation;
end
$$;

-- Forgets a generation that is not live, with all that is noted of it.
create function drop_generation(read_model text, generation integer) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  name text;
begin
  perform lock_read_model(read_model);
  if exists (
    select from generations as g where g.read_model = drop_generation.read_model
      and (g.generation = drop_generation.generation and g.state = 'live')
  ) then
    raise object_not_in_prerequisite_state using message = 'it is the live one; switch first';
  elsif not exists (
    select from generations as g where g.read_model = drop_generation.read_model
      and g.state = 'live'
  ) then
    raise object_not_in_prerequisite_state using message = 'the read model has no other';
  end if;
  for name in select tables_of(read_model) loop
    execute format('drop table if exists %I', name || '_' || generation);
  end loop;
  delete from orders_behind as o
  where o.read_model = drop_generation.read_model and o.generation = drop_generation.generation;
  delete from parked_events as p
  where p.read_model = drop_generation.read_model and p.generation = drop_generation.generation;
  delete from generations as g
  where g.read_model = drop_generation.read_model and g.generation = drop_generation.generation;
end
$$;

-- A table that was just filled has no statistics for the planner yet.
create function analyze_generation(read_model text, generation integer) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  name text;
begin
  for name in select tables_of(read_model) loop
    execute format('analyze %I', name || '_' || generation);
  end loop;
end
$$;
revoke execute on function begin_generation, switch_generation, drop_generation, analyze_generation,
  point_views, lock_read_model from public;
grant execute on function begin_generation, switch_generation, drop_generation, analyze_generation
  to ordering_operation;

grant select on generations to ordering_projector, ordering_query;
grant select, insert, update on orders_behind to ordering_projector;
grant select, insert on parked_events to ordering_projector;
grant select (id, read_model, generation, order_id, customer_id) on parked_events to ordering_query;
grant select (read_model, generation, order_id) on orders_behind to ordering_query;
grant select, update on generations to ordering_operation;
grant select, insert, update, delete on orders_behind, parked_events, discarded_events
  to ordering_operation;
grant select, insert on operations to ordering_operation;
grant select on watermarks to ordering_operation;

-- The two read models that there are become the first generations. While they are deployed, earlier
-- projectors write to the tables by their names.
create table templates.order_details (like order_details including all);
create table templates.customer_orders (like customer_orders including all);
alter table order_details rename to order_details_1;
alter table customer_orders rename to customer_orders_1;
revoke all on order_details_1, customer_orders_1 from ordering_query;
grant select, insert, update, delete on order_details_1, customer_orders_1 to ordering_operation;
insert into generations (read_model, generation, revision, state, filled_at)
values ('order_details', 1, 1, 'live', now()), ('customer_orders', 1, 1, 'live', now());
select point_views('order_details', 1), point_views('customer_orders', 1);
grant insert, update on order_details, customer_orders to ordering_projector;
