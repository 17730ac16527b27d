-- Queries may select from views and from nothing else: those of the read models, and these, which
-- say how fresh they are. Neither records nor errors of parked events are in them.
create view freshness_watermarks as
select projection, partition, partitions, as_of, withheld from watermarks;
create view freshness_generations as
select read_model, generation, state, orders_expected, orders_filled, filling_seconds, filled_at
from generations;
create view freshness_parked as
select id, read_model, generation, order_id, customer_id from parked_events;
create view freshness_behind as
select read_model, generation, order_id from orders_behind;
grant select on freshness_watermarks, freshness_generations, freshness_parked, freshness_behind
  to ordering_query;
revoke all on watermarks, generations, parked_events, orders_behind from ordering_query;
revoke select (id, read_model, generation, order_id, customer_id) on parked_events
  from ordering_query;
revoke select (read_model, generation, order_id) on orders_behind from ordering_query;
