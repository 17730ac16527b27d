-- The write side: an order's current state, the log of every state change, what the relay has yet
-- to publish, and the first answers to idempotency keys.

create table orders (
  order_id uuid primary key,
  version integer not null check (version > 0),
  customer_id text not null,
  status text not null,
  state jsonb not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
) with (fillfactor = 80);

-- The log of record. Never updated, but for the audited redaction of personal data.
create table order_events (
  order_id uuid not null,
  version integer not null check (version > 0),
  type text not null,
  schema_version smallint not null,
  data jsonb not null,
  metadata jsonb not null,
  recorded_at timestamptz not null default now(),
  primary key (order_id, version)
);

-- Only what is not published yet. Rows come and go all the time: vacuum by count, not by share.
create table outbox (
  seq bigint generated always as identity primary key,
  shard smallint not null,
  order_id uuid not null,
  version integer not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 5000);
create index outbox_by_shard on outbox (shard, seq);

create table command_results (
  principal text not null,
  idempotency_key text not null,
  request_hash bytea not null,
  answer jsonb not null,
  recorded_at timestamptz not null default now(),
  primary key (principal, idempotency_key)
);
create index command_results_by_age on command_results (recorded_at);

-- One row per shard of the outbox: the lease of the relay that owns it, whether that relay waits to
-- be woken by NOTIFY outbox_<shard>, and T of its watermark: every command acknowledged before
-- caught_up_at is in Kafka.
create table relay_shards (
  shard smallint primary key,
  owner text,
  expires_at timestamptz not null default '-infinity',
  waiting boolean not null default false,
  caught_up_at timestamptz
) with (fillfactor = 50);
insert into relay_shards (shard) values (0);

-- The last 28 bits of an order id (version 7) are random.
create function shard_of(order_id uuid) returns smallint
language sql stable parallel safe
return mod(
  ('x' || right(order_id::text, 7))::bit(28)::integer,
  (select count(*)::integer from relay_shards)
)::smallint;

-- Roles: what each kind of function may touch, and for how long.
do $$
declare
  role_name text;
begin
  foreach role_name in array array['ordering_command', 'ordering_relay'] loop
    if not exists (select from pg_roles where rolname = role_name) then
      execute format('create role %I login', role_name);
    end if;
    -- On Amazon Aurora the roles sign in with IAM tokens.
    if exists (select from pg_roles where rolname = 'rds_iam') then
      execute format('grant rds_iam to %I', role_name);
    end if;
  end loop;
end
$$;
grant select, insert, update on orders to ordering_command;
grant select, insert on order_events, outbox, command_results to ordering_command;
grant select on relay_shards to ordering_command;
grant select on order_events to ordering_relay;
grant select, delete on outbox to ordering_relay;
grant select, update on relay_shards to ordering_relay;

-- Nobody waits for ever: a lock that is not had soon is an answer, 503, and tried again.
do $$
begin
  execute format('alter database %I set lock_timeout = %L', current_database(), '3s');
  execute format('alter database %I set statement_timeout = %L', current_database(), '6s');
  execute format(
    'alter database %I set idle_in_transaction_session_timeout = %L', current_database(), '30s'
  );
end
$$;
