-- What reports how long events wait for the relay.
grant select on outbox, relay_shards to ordering_operation;
