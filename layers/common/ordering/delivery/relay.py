"""The relay: one shard of the outbox to Kafka, in order, by whoever holds the shard's lease.

A row is deleted only when Kafka has acknowledged its event, so a crash repeats events and loses
none. While there is nothing to publish the relay sleeps until a command notifies it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from ordering.observability import Measure, MetricUnit, logger, report
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
_BATCH_BYTES: Final = 4_000_000
"""Of events' data in one read: Kafka takes that within its time, and memory does not notice."""
_QUIET_SECONDS: Final = 0.1
"""Without a row for so long, being notified costs less than looking."""
_STATEMENT_SECONDS: Final = 0.2
"""A command that read "not waiting" has committed by then, or is so slow that it can wait."""
_LOOK_SECONDS: Final = 0.002
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
  select *, sum(octet_length(data)) over (order by seq) - octet_length(data) as bytes_before
  from (
    select seq, order_id, version, e.type, e.schema_version, e.data::text as data, e.metadata,
      e.recorded_at
    from outbox join order_events as e using (order_id, version)
    where outbox.shard = held.shard and seq <> all(%(published)s::bigint[])
    order by seq limit %(batch)s
  ) as first_rows
) as o on o.bytes_before < %(batch_bytes)s
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
    """Give the statement with which the relay's connection starts.

    Its commits are not waited for: what a crash of the server takes back is published again.
    """
    return f'set synchronous_commit = off; listen "outbox_{shard}"; listen "relay_released_{shard}"'


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
        size = sum(len(data.encode()) for _, _, _, _, _, data, *_ in self.rows)
        return len(self.rows) < _BATCH and size < _BATCH_BYTES

    @property
    def watermark(self) -> datetime | None:
        """The smallest T of all shards, if this one is published; None while one has none yet."""
        if self.other_shards == 0:
            return self.at
        if self.others_caught_up_at is None:
            return None
        return min(self.at, self.others_caught_up_at)


class Relay:
    """Publishes one shard until ``stop_at`` (``time.monotonic``), as standby or as its owner.

    ``database`` starts each connection with ``listen(shard)``. ``owner`` is no other relay's.
    """

    def __init__(self, database: Database, bus: Bus, *, shard: int, owner: str) -> None:
        self._database = database
        self._bus = bus
        self._shard = shard
        self._owner = owner
        self._published: list[int] = []
        self._caught_up_at: datetime | None = None
        self._waiting = False
        self._quiet_at = 0.0
        self._look_until = 0.0
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
                    report(
                        "cannot publish now; events follow later",
                        Measure("RelayFailures"),
                        level="WARNING",
                        shard=self._shard,
                        reason=str(error),
                    )
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
            is_published = self._publish(read, stop_at)
            if read.is_all and is_published:
                self._caught_up_at = read.at
                if time.monotonic() >= self._watermark_due:
                    self._publish_watermark(read)
            if read.rows:
                self._waiting = False
                self._quiet_at = time.monotonic() + _QUIET_SECONDS
            else:
                self._idle(min(stop_at, self._watermark_due))

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
                "batch_bytes": _BATCH_BYTES,
            },
        )
        if not rows:
            raise LeaseLostError
        self._published = []
        at, others_caught_up_at, other_shards, first_seq = rows[0][:4]
        found = [] if first_seq is None else [row[3:] for row in rows]
        return _Read(at, others_caught_up_at, other_shards, found)

    def _publish(self, read: _Read, stop_at: float) -> bool:
        """Publish wave by wave; False: not all, since the lease or the time is running out."""
        renew_at = min(stop_at, time.monotonic() + LEASE_SECONDS / 2)
        for wave in _waves(read.rows):
            if self._published and time.monotonic() >= renew_at:
                return False
            self._bus.publish([_record(row) for row in wave])
            # Noted wave by wave: what follows a failure does not repeat what was acknowledged.
            self._published += [row[0] for row in wave]
            self._report(read, wave)
        return True

    def _report(self, read: _Read, wave: Sequence[Row]) -> None:
        self.events_published += len(wave)
        oldest = (read.at - wave[0][7]).total_seconds()
        report(
            "published",
            Measure("EventsPublished", len(wave)),
            Measure("OutboxAge", oldest * 1000, MetricUnit.Milliseconds),
            shard=self._shard,
            events=len(wave),
            correlation_ids=sorted({row[6].get("correlation_id") or "" for row in wave}),
        )

    def _publish_watermark(self, read: _Read) -> None:
        if read.watermark is not None:
            self._bus.publish_watermark(read.watermark)
        self._watermark_due = time.monotonic() + WATERMARK_SECONDS

    def _idle(self, wake_at: float) -> None:
        """Return when there may be something to publish or to say to the commands, or at the time.

        While events come, the relay looks for them every few milliseconds and no command notifies.
        When it has been quiet for a while it says "waiting" (the next read writes that), goes on
        looking until every command that read the contrary has had its time, and then sleeps.
        """
        while (now := time.monotonic()) < wake_at:
            if not self._waiting and now >= self._quiet_at:
                self._waiting = True
                self._look_until = now + _STATEMENT_SECONDS
                return
            if self._waiting and now >= self._look_until:
                self._wait(wake_at - now)
                return
            if self._wait(_LOOK_SECONDS) or self._has_rows():
                return

    def _has_rows(self) -> bool:
        return bool(self._database.rows(_ANY, {"shard": self._shard})[0][0])

    def _wait(self, seconds: float) -> bool:
        return self._database.wait_for_notification(f"outbox_{self._shard}", seconds)

    def _release(self) -> None:
        try:
            if self._published:
                self._next()
            self._database.rows(_RELEASE, {"shard": self._shard, "owner": self._owner})
        except (DatabaseUnavailableError, LeaseLostError) as error:
            # The lease runs out by itself; what was not deleted is published again.
            logger.warning(
                "could not release the shard", extra={"shard": self._shard, "reason": str(error)}
            )


def _record(row: Row) -> tuple[str, bytes]:
    """Give the key and the value of a row's record."""
    _, order_id, version, event_type, schema_version, data, metadata, recorded_at = row
    value = write_event(
        order_id=order_id,
        version=version,
        event_type=event_type,
        schema_version=schema_version,
        data=data,
        metadata=metadata,
        recorded_at=recorded_at,
    )
    return order_id, value


def _waves(rows: Sequence[Row]) -> list[list[Row]]:
    """Split so that no wave has two events of one order; each order's keep their sequence.

    A later version of an order is never in the topic before an earlier one, whatever fails in
    between, if each wave is acknowledged before the next one goes out.
    """
    waves: list[list[Row]] = []
    seen: dict[str, int] = {}
    for row in rows:
        number = seen.get(row[1], 0)
        seen[row[1]] = number + 1
        if number == len(waves):
            waves.append([])
        waves[number].append(row)
    return waves
