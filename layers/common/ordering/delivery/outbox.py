"""One shard of the outbox in the write database: its lease, its events, and waking its relay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ordering.runtime.link import PLANNED_ONCE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from ordering.runtime.postgres import Database

LEASE_SECONDS: Final = 6
_BATCH: Final = 500
_BATCH_BYTES: Final = 4_000_000
"""Of events' data in one read: Kafka takes that within its time, and memory does not notice."""

# Nobody holds a lease for longer than it lasts: one that ends later was taken before the database's
# clock was set back. For the same reason caught_up_at is not believed when it lies in the future.
_ACQUIRE: Final = """
update relay_shards
set owner = %(owner)s, waiting = false,
  expires_at = clock_timestamp() + make_interval(secs => %(lease)s),
  caught_up_at = case when caught_up_at <= clock_timestamp() then caught_up_at end
where shard = %(shard)s and (
  owner is null or owner = %(owner)s or expires_at < clock_timestamp()
  or expires_at > clock_timestamp() + make_interval(secs => %(lease)s)
)
returning shard
"""

# Renews the lease, forgets what is published and reads what comes next: one round trip, one commit.
# The rows just deleted are still visible to the statement that deletes them, so it skips them.
_READ: Final = """
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
select statement_timestamp(), others.caught_up_at, others.number, others.has_future,
  o.seq, o.order_id::text, o.version, o.type, o.schema_version, o.data, o.metadata, o.recorded_at
from held cross join lateral (
  select count(*) as number, bool_or(s.caught_up_at > statement_timestamp()) as has_future,
    case when bool_and(coalesce(s.caught_up_at <= statement_timestamp(), false))
      then min(s.caught_up_at) end as caught_up_at
  from relay_shards as s where s.shard <> held.shard
) as others left join lateral (
  select *, sum(octet_length(data)) over (order by seq) - octet_length(data) as bytes_before
  from (
    select seq, order_id, version, e.type, e.schema_version, e.data::text as data, e.metadata,
      e.recorded_at
    from outbox join order_events as e using (order_id, version)
    where outbox.shard = held.shard and seq <> all(%(published)s::bigint[])
      and order_id <> all(%(withheld)s::uuid[])
    order by seq limit {batch}
  ) as first_rows
) as o on o.bytes_before < {batch_bytes}
order by o.seq
"""
_READ_BATCH: Final = _READ.format(batch=_BATCH, batch_bytes=_BATCH_BYTES)
"""The limits are constants: the plan, which is made once, rests on them."""
_ANY: Final = """
select exists (
  select from outbox where shard = %(shard)s and order_id <> all(%(withheld)s::uuid[])
)
"""
# While it can still be recognised: in an hour, it would claim that all was published until then.
_FORGET_FUTURE: Final = """
update relay_shards set caught_up_at = null where caught_up_at > clock_timestamp()
"""
_RELEASE: Final = """
with published as (
  delete from outbox where seq = any(%(published)s::bigint[])
), released as (
  update relay_shards set owner = null, waiting = false, expires_at = '-infinity'
  where shard = %(shard)s and owner = %(owner)s returning shard
)
select pg_notify('relay_released_' || shard, '') from released
"""


_NOTIFY: Final = "select pg_notify(%(channel)s, '')"
_HEARING_SECONDS: Final = 0.5
"""A notification of one's own comes with the statement's answer, or soon after it."""


def listen(shard: int) -> str:
    """Return the statement with which the relay's connection starts.

    Its commits are not waited for: what a crash of the server takes back is published again.
    """
    return (
        f"{PLANNED_ONCE}; set synchronous_commit = off;"
        f' listen "outbox_{shard}"; listen "relay_released_{shard}"'
    )


class LeaseLostError(Exception):
    """Another relay owns the shard: this one was silent for longer than its lease."""


class OutboxEvent(NamedTuple):
    """An event to be published, and the row of the outbox to be deleted then."""

    seq: int
    order_id: str
    version: int
    type: str
    schema_version: int
    data: str
    metadata: Mapping[str, Any]
    recorded_at: datetime


@dataclass(frozen=True)
class OutboxRead:
    """What one read of the shard found."""

    at: datetime
    others_caught_up_at: datetime | None
    other_shards: int
    withheld: Sequence[str]
    """Orders whose events were left out."""
    events: Sequence[OutboxEvent]

    @property
    def is_complete(self) -> bool:
        """Whether the read returned all waiting rows, except those of withheld orders."""
        size = sum(len(event.data.encode()) for event in self.events)
        return len(self.events) < _BATCH and size < _BATCH_BYTES

    @property
    def watermark(self) -> datetime | None:
        """The smallest T of all shards, if this one is published; None while one has none yet."""
        if self.other_shards == 0:
            return self.at
        if self.others_caught_up_at is None:
            return None
        return min(self.at, self.others_caught_up_at)


class Outbox:
    """One shard as its relay ``owner`` uses it. ``database`` starts with ``listen(shard)``.

    All methods raise DatabaseUnavailableError.
    """

    def __init__(self, database: Database, *, shard: int, owner: str) -> None:
        self._database = database
        self._shard = shard
        self._names = {"shard": shard, "owner": owner, "lease": LEASE_SECONDS}

    def acquire(self) -> bool:
        """Take the lease if it is free; return whether this relay has it now."""
        return bool(self._database.rows(_ACQUIRE, self._names))

    def read(
        self,
        *,
        published: Sequence[int],
        withheld: Sequence[str],
        waiting: bool,
        caught_up_at: datetime | None,
    ) -> OutboxRead:
        """Renew the lease, delete the ``published`` rows and read the next events.

        Events of ``withheld`` orders are left out. ``waiting`` makes commands notify;
        ``caught_up_at`` is the shard's T, if there is a new one.

        Raises:
            LeaseLostError: another relay owns the shard.
        """
        rows = self._database.rows_planned_once(
            _READ_BATCH,
            {
                **self._names,
                "waiting": waiting,
                "caught_up_at": caught_up_at,
                "published": published,
                "withheld": withheld,
            },
        )
        if not rows:
            raise LeaseLostError
        at, others_caught_up_at, other_shards, has_future, first_seq = rows[0][:5]
        if has_future:
            self._database.rows(_FORGET_FUTURE)
        events = [] if first_seq is None else [OutboxEvent._make(row[4:]) for row in rows]
        return OutboxRead(at, others_caught_up_at, other_shards, withheld, events)

    def has_events(self, withheld: Sequence[str]) -> bool:
        """Return whether there is an event of another order than the ``withheld`` ones."""
        names = {"shard": self._shard, "withheld": withheld}
        ((found,),) = self._database.rows_planned_once(_ANY, names)
        return bool(found)

    def release(self, published: Sequence[int]) -> None:
        """Delete the ``published`` rows, give the lease back if it is held, and wake a standby."""
        self._database.rows(_RELEASE, {**self._names, "published": published})

    def hears_notifications(self) -> bool:
        """Notify this connection, and return whether it hears that."""
        self._database.rows(_NOTIFY, {"channel": f"outbox_{self._shard}"})
        return self.wait_for_event(_HEARING_SECONDS)

    def wait_for_event(self, seconds: float) -> bool:
        """Sleep until a command notifies; False: none did."""
        return self._database.wait_for_notification(f"outbox_{self._shard}", seconds)

    def wait_for_release(self, seconds: float) -> bool:
        """Sleep until the lease is given back; False: it was not."""
        return self._database.wait_for_notification(f"relay_released_{self._shard}", seconds)
