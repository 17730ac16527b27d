-- Orders get quantities per line, payments, shipments and returns: the documents of those placed
-- before get what there is to say about them.

update order_details set document = (
  d.document || jsonb_build_object(
    'completed_at', null, 'held', null, 'fulfilment', null, 'coupon', null,
    'payments', '[]'::jsonb, 'shipments', '[]'::jsonb, 'returns', '[]'::jsonb,
    'refunds', '[]'::jsonb, 'notes', '[]'::jsonb,
    'balance', jsonb_build_object(
      'owed', case when d.is_cancelled then d.nothing else d.document #> '{totals,total}' end,
      'authorized', d.nothing, 'captured', d.nothing, 'due_back', d.nothing,
      'refunded', d.nothing
    ),
    'totals', case when d.is_cancelled then (
      select jsonb_object_agg(name, d.nothing)
      from jsonb_object_keys(d.document -> 'totals') as name
    ) else d.document -> 'totals' end,
    'units', jsonb_build_object(
      'lines', jsonb_array_length(d.document -> 'lines'),
      'kept', case when d.is_cancelled then 0 else d.ordered end,
      'to_ship', case when d.is_cancelled then 0 else d.ordered end,
      'shipped', 0, 'delivered', 0, 'returned', 0
    ),
    'lines', (
      select jsonb_agg(
        (line - 'quantity') || jsonb_build_object(
          'ordered', line -> 'quantity',
          'cancelled', case when d.is_cancelled then (line ->> 'quantity')::int else 0 end,
          'shipped', 0, 'lost', 0, 'delivered', 0, 'returned', 0,
          'total', case when d.is_cancelled then d.nothing else line -> 'total' end,
          'coupon_share', d.nothing,
          'tax', case when d.is_cancelled then d.nothing else line -> 'tax' end
        )
        order by number
      )
      from jsonb_array_elements(d.document -> 'lines') with ordinality as l (line, number)
    )
  )
)::json
from (
  select order_id, document::jsonb as document,
    document ->> 'status' = 'cancelled' as is_cancelled,
    document::jsonb #> '{totals,discount}' as nothing,
    (
      select sum((line ->> 'quantity')::bigint)
      from json_array_elements(document -> 'lines') as line
    ) as ordered
  from order_details
  where document -> 'lines' -> 0 ->> 'quantity' is not null
) as d
where order_details.order_id = d.order_id;
