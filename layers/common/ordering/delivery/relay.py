"""The relay: one shard of the outbox to Kafka, in order, by whoever holds the shard's lease.

A row is deleted only when Kafka has acknowledged its event, so a crash repeats events and loses
none. While there is nothing to publish the relay sleeps until a command notifies it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from ordering.observability import MetricUnit, flush_metrics, logger, metrics
from ordering.postgres import Database, DatabaseUnavailableError

from .envelope import write_event
from .topic import BusUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ordering.postgres import Row

LEASE_SECONDS: Final = 6
WATERMARK_SECONDS: Final = 2.0
_BATCH: Final = 500
_BUSY: Final = 50
"""Rows in one read from which on being notified costs the writers more than it saves here."""
_STATEMENT_SECONDS: Final = 0.2
"""A command that read "not waiting" has committed by then, or is so slow that it can wait."""
_LOOK_SECONDS: Final = 0.005
_STANDBY_SECONDS: Final = 0.5
_RETRY_SECONDS: Final = 0.25

_ACQUIRE: Final = """
update relay_shards
set owner = %(owner)s, waiting = false,
  expires_at = clock_timestamp() + make_interval(secs => %(lease)s)
where shard = %(shard)s
  and (owner is null or owner = %(owner)s or expires_at < clock_timestamp())
returning shard
"""

# Renews the lease, forgets what is published and reads what comes next: one round trip, one commit.
# The rows just deleted are still visible to the statement that deletes them, so it skips them.
_NEXT: Final = """
with held as (
  update relay_shards
  set expires_at = clock_timestamp() + make_interval(secs => %(lease)s),
    waiting = %(waiting)s,
    caught_up_at = coalesce(%(caught_up_at)s, caught_up_at)
  where shard = %(shard)s and owner = %(owner)s
  returning shard
), published as (
  delete from outbox where seq = any(%(published)s::bigint[])
)
select statement_timestamp(),
  (select case when bool_and(s.caught_up_at is not null) then min(s.caught_up_at) end
   from relay_shards as s where s.shard <> held.shard),
  (select count(*) from relay_shards as s where s.shard <> held.shard),
  o.seq, o.order_id::text, o.version, o.type, o.schema_version, o.data, o.metadata, o.recorded_at
from held left join lateral (
  select seq, order_id, version, e.type, e.schema_version, e.data::text as data, e.metadata,
    e.recorded_at
  from outbox join order_events as e using (order_id, version)
  where outbox.shard = held.shard and seq <> all(%(published)s::bigint[])
  order by seq limit %(batch)s
) as o on true
order by o.seq
"""
_ANY: Final = "select exists (select from outbox where shard = %(shard)s)"
_RELEASE: Final = """
with released as (
  update relay_shards set owner = null, waiting = false, expires_at = '-infinity'
  where shard = %(shard)s and owner = %(owner)s returning shard
)
select pg_notify('relay_released_' || shard, '') from released
"""


def listen(shard: int) -> str:
    """Give the statement with which the relay's connection starts."""
    return f'listen "outbox_{shard}"; listen "relay_released_{shard}"'


class Bus(Protocol):
    """Where events go: ``delivery.topic.Topic``."""

    def publish(self, records: Sequence[tuple[str, bytes]]) -> None: ...  # noqa: D102 - see Topic
    def publish_watermark(self, as_of: datetime) -> None: ...  # noqa: D102 - see Topic


class LeaseLostError(Exception):
    """Another relay owns the shard: this one was silent for longer than its lease."""


@dataclass(frozen=True)
class _Read:
    """What one read of the shard found."""

    at: datetime
    others_caught_up_at: datetime | None
    other_shards: int
    rows: Sequence[Row]

    @property
    def is_all(self) -> bool:
        """Whether nothing that was visible to the read is left unread."""
        return len(self.rows) < _BATCH

    def watermark(self, caught_up_at: datetime) -> datetime | None:
        """Give the smallest T of all shards; None while one of them has none yet."""
        if self.other_shards == 0:
            return caught_up_at
        if self.others_caught_up_at is None:
            return None
        return min(caught_up_at, self.others_caught_up_at)


class Relay:
    """Publishes one shard until ``stop_at`` (``time.monotonic``), as standby or as its owner.

    ``database`` starts each connection with ``listen(shard)``.
    """

    def __init__(self, database: Database, bus: Bus, *, shard: int, owner: str) -> None:
        self._database = database
        self._bus = bus
        self._shard = shard
        self._owner = owner
        self._published: list[int] = []
        self._caught_up_at: datetime | None = None
        self._waiting = False
        self._watermark_due = 0.0
        self.events_published = 0

    def run(self, stop_at: float) -> None:
        """Relay until then, through failures of either side, and hand the shard over at the end."""
        try:
            while time.monotonic() < stop_at:
                try:
                    if self._acquired(stop_at):
                        self._relay(stop_at)
                except LeaseLostError:
                    logger.warning("lease lost", extra={"shard": self._shard})
                except (DatabaseUnavailableError, BusUnavailableError) as error:
                    logger.warning(
                        "cannot publish now; events follow later",
                        extra={"shard": self._shard, "reason": str(error)},
                    )
                    metrics.add_metric("RelayFailures", MetricUnit.Count, 1)
                    time.sleep(_RETRY_SECONDS)
        finally:
            self._release()

    def _acquired(self, stop_at: float) -> bool:
        """Wait as standby until the shard is free; False: the time is over."""
        while time.monotonic() < stop_at:
            if self._database.rows(
                _ACQUIRE, {"shard": self._shard, "owner": self._owner, "lease": LEASE_SECONDS}
            ):
                self._waiting = False
                logger.info("owns the shard", extra={"shard": self._shard, "owner": self._owner})
                return True
            self._database.wait_for_notification(
                f"relay_released_{self._shard}", min(_STANDBY_SECONDS, stop_at - time.monotonic())
            )
        return False

    def _relay(self, stop_at: float) -> None:
        while time.monotonic() < stop_at:
            read = self._next()
            if read.rows:
                self._publish(read)
            if read.is_all:
                self._caught_up_at = read.at
                if time.monotonic() >= self._watermark_due:
                    self._publish_watermark(read, read.at)
            if not read.rows:
                self._idle(stop_at)

    def _next(self) -> _Read:
        rows = self._database.rows(
            _NEXT,
            {
                "shard": self._shard,
                "owner": self._owner,
                "lease": LEASE_SECONDS,
                "waiting": self._waiting,
                "caught_up_at": self._caught_up_at,
                "published": self._published,
                "batch": _BATCH,
            },
        )
        if not rows:
            raise LeaseLostError
        self._published = []
        at, others_caught_up_at, other_shards, first_seq = rows[0][:4]
        found = [] if first_seq is None else [row[3:] for row in rows]
        return _Read(at, others_caught_up_at, other_shards, found)

    def _publish(self, read: _Read) -> None:
        records = [
            (
                order_id,
                write_event(
                    order_id=order_id,
                    version=version,
                    event_type=event_type,
                    schema_version=schema_version,
                    data=data,
                    metadata=metadata,
                    recorded_at=recorded_at,
                ),
            )
            for _, order_id, version, event_type, schema_version, data, metadata, recorded_at in (
                read.rows
            )
        ]
        self._bus.publish(records)
        self._published = [row[0] for row in read.rows]
        self.events_published += len(records)
        if len(records) >= _BUSY:
            self._waiting = False
        oldest = (read.at - read.rows[0][7]).total_seconds()
        metrics.add_metric("EventsPublished", MetricUnit.Count, len(records))
        metrics.add_metric("OutboxAge", MetricUnit.Milliseconds, oldest * 1000)
        flush_metrics()
        logger.info(
            "published",
            extra={
                "events": len(records),
                "correlation_ids": sorted({row[6].get("correlation_id") for row in read.rows}),
            },
        )

    def _publish_watermark(self, read: _Read, caught_up_at: datetime) -> None:
        watermark = read.watermark(caught_up_at)
        if watermark is not None:
            self._bus.publish_watermark(watermark)
        self._watermark_due = time.monotonic() + WATERMARK_SECONDS

    def _idle(self, stop_at: float) -> None:
        """Sleep until a command notifies, the next watermark is due, or the time is over."""
        wake_at = min(stop_at, self._watermark_due)
        if not self._waiting:
            # Commands notify from now on, but one that has read "not waiting" already does not:
            # look again until each of those has had its time.
            self._waiting = True
            if self._next_is_empty_for(min(_STATEMENT_SECONDS, wake_at - time.monotonic())):
                return
        self._wait(wake_at - time.monotonic())

    def _next_is_empty_for(self, seconds: float) -> bool:
        """Say "waiting" in the shard's row, then look; True: there is something to publish."""
        read = self._next()
        if read.rows:
            # Read, but not kept: the loop reads them again at once.
            return True
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self._database.rows(_ANY, {"shard": self._shard})[0][0]:
                return True
            if self._wait(_LOOK_SECONDS):
                return True
        return False

    def _wait(self, seconds: float) -> bool:
        return self._database.wait_for_notification(f"outbox_{self._shard}", seconds)

    def _release(self) -> None:
        try:
            if self._published:
                self._next()
            self._database.rows(_RELEASE, {"shard": self._shard, "owner": self._owner})
        except (DatabaseUnavailableError, LeaseLostError) as error:
            # The lease runs out by itself; what was not deleted is published again.
            logger.warning("could not release the shard", extra={"reason": str(error)})
