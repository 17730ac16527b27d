-- What reports how old the read models are.
grant select on freshness_as_of, freshness_watermarks, freshness_parked to ordering_operation;
