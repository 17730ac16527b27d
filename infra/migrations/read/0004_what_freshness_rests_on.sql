-- What a read model needs to notice that its age would be a lie, and the orders that it waits for.

-- The time of the latest event that a row has applied, exact to the microsecond; it never goes back.
-- Null: not known, so nothing is compared. An event whose version is applied but whose time is later
-- comes from a write side that was restored to an earlier time.
-- Documents keep the milliseconds they have; those written from now on have microseconds.
alter table order_details add column last_event_time timestamptz;
alter table customer_orders add column last_event_time timestamptz;

-- newest_watermark is the newest one at an offset before next_offset, whatever became of it: a newer
-- one down there comes from another topic, or from a log that lost its end. gap_reason says why as_of
-- stands still at gap_at. withheld is how many orders as_of does not speak for, since Kafka refuses an
-- event of theirs.
alter table watermarks
  add column newest_watermark timestamptz,
  add column withheld integer not null default 0,
  add column gap_reason text
    check (gap_reason in ('records skipped', 'topic replaced or cut', 'version reused'));
update watermarks set newest_watermark = as_of,
  gap_reason = case when gap_at is not null then 'records skipped' end;
