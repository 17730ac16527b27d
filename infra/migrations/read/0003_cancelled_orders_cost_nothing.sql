-- A cancelled order costs nothing and nothing of it is kept. The items of those that were cancelled
-- before events said so are brought to that; 578.37 becomes 0.00, with the currency's digits.

update customer_orders set document = (
  document::jsonb || jsonb_build_object(
    'item_count', 0,
    'total', jsonb_build_object(
      'amount', regexp_replace(
        regexp_replace(document #>> '{total,amount}', '^[0-9]+', '0'), '[1-9]', '0', 'g'
      ),
      'currency', document #> '{total,currency}'
    )
  )
)::json
where status = 'cancelled' and document ->> 'item_count' <> '0';
