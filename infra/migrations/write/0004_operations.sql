-- What fills read models from the log, and compares them with it.
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
grant select (order_id) on orders to ordering_operation;
grant select on order_events to ordering_operation;
