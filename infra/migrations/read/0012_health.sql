-- What reports how old the read models are.
grant select on freshness_as_of, freshness_watermarks, freshness_parked to ordering_operation;

-- They were tables once; projectors write generations.
revoke insert, update on order_details, customer_orders from ordering_projector;
