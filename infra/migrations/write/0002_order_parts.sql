-- Orders get quantities per line, payments, shipments and returns. What is stored of those placed
-- before, when a line had one quantity and a cancelled order kept its total, is brought to that.

update orders set state = (state - 'cancelled' - 'totals') || jsonb_build_object(
  'last_line_id', jsonb_array_length(state -> 'lines'),
  'shipping_fee', state -> 'totals' -> 'shipping',
  'lines', (
    select jsonb_agg(
      (line - 'quantity')
      || jsonb_build_object(
        'ordered', line -> 'quantity', 'coupon_share', state -> 'totals' -> 'discount'
      )
      || case when state ? 'cancelled' then jsonb_build_object(
        'cancelled', line -> 'quantity',
        'total', state -> 'totals' -> 'discount',
        'tax', state -> 'totals' -> 'discount'
      ) else '{}' end
      order by number
    )
    from jsonb_array_elements(state -> 'lines') with ordinality as l (line, number)
  ),
  'totals', case when state ? 'cancelled' then (
    select jsonb_object_agg(name, state -> 'totals' -> 'discount')
    from jsonb_object_keys(state -> 'totals') as name
  ) else state -> 'totals' end
)
where state -> 'lines' -> 0 ? 'quantity';

-- What forgets the answers to idempotency keys after a week.
do $$
begin
  if not exists (select from pg_roles where rolname = 'ordering_cleaner') then
    create role ordering_cleaner login;
  end if;
  if exists (select from pg_roles where rolname = 'rds_iam') then
    grant rds_iam to ordering_cleaner;
  end if;
end
$$;
grant select, delete on command_results to ordering_cleaner;
