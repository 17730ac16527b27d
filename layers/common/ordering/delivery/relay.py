"""The relay: one shard of the outbox to Kafka, in order, by the relay that holds the shard's lease.

A row is deleted only when Kafka has acknowledged its event, so a crash repeats events and loses
none. While there is nothing to publish the relay sleeps until a command notifies it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from ordering.runtime.observability import Measure, format_traceback, log_event, logger
from ordering.runtime.postgres import Database, DatabaseUnavailableError

from .bus import Bus, BusUnavailableError
from .outbox import LEASE_SECONDS, LeaseLostError, Outbox
from .publisher import Publisher

if TYPE_CHECKING:
    from datetime import datetime

    from .outbox import OutboxRead

WATERMARK_SECONDS: Final = 2.0
_POLL_SECONDS: Final = 0.1
"""How often a relay looks that hears no notifications: ten short statements a second."""
_QUIET_SECONDS: Final = 0.02
"""Without an event for so long, the relay lets itself be notified: looking takes 2 % of a core."""
_STATEMENT_SECONDS: Final = 0.2
"""A command that read "not waiting" has committed by then, or is so slow that it can wait."""
_LOOK_SECONDS: Final = 0.002
_LOOK_FOR_LATE_SECONDS: Final = 0.02
"""Of the commands that do not notify yet there are few, which were under way."""
_STANDBY_SECONDS: Final = 0.5
_FIRST_BACKOFF_SECONDS: Final = 0.25
_DATABASE_BACKOFF_SECONDS: Final = 0.5
"""At most: within a second of a failover's end the relay continues."""
_BUS_BACKOFF_SECONDS: Final = 1.0
"""Always: enough for a standby to take over; without one the relay itself continues then."""
_LONGEST_BACKOFF_SECONDS: Final = 4.0


class Relay:
    """Publishes one shard until ``stop_at`` (``time.monotonic``), as standby or as its owner.

    ``database`` starts each connection with ``listen(shard)``. ``owner`` is no other relay's.
    """

    def __init__(
        self,
        database: Database,
        bus: Bus,
        *,
        shard: int,
        owner: str,
        watermark_seconds: float = WATERMARK_SECONDS,
    ) -> None:
        self._outbox = Outbox(database, shard=shard, owner=owner)
        self._bus = bus
        self._publisher = Publisher(bus, shard)
        self._shard = shard
        self._owner = owner
        self._watermark_seconds = watermark_seconds
        self._hears = True
        self._may_own = False
        self._failures = 0
        self._caught_up_at: datetime | None = None
        self._waiting = False
        self._quiet_at = 0.0
        self._look_until = 0.0
        self._watermark_due = 0.0

    @property
    def events_published(self) -> int:
        """The number of events that Kafka has acknowledged."""
        return self._publisher.events_published

    def run(self, stop_at: float) -> None:
        """Relay until then, through any failure, and hand the shard over at the end."""
        try:
            while time.monotonic() < stop_at:
                try:
                    # Without a bus of its own it would only keep the shard from another relay.
                    self._bus.connect()
                    if self._acquired(stop_at):
                        self._relay(stop_at)
                except LeaseLostError:
                    self._may_own = False
                    logger.warning("lease lost", extra={"shard": self._shard})
                except Exception as error:  # noqa: BLE001 - owner and standby must not both end
                    self._wait_out(error, stop_at)
        finally:
            self._release()

    def _wait_out(self, error: Exception, stop_at: float) -> None:
        """Report the failure, hand the shard over unless it is the database's, and wait."""
        self._failures += 1
        longest = _LONGEST_BACKOFF_SECONDS
        seconds = _FIRST_BACKOFF_SECONDS * 2 ** min(self._failures - 1, 8)
        if isinstance(error, DatabaseUnavailableError | BusUnavailableError):
            log_event(
                "cannot publish now; events follow later",
                Measure("RelayFailures"),
                level="WARNING",
                shard=self._shard,
                reason=str(error),
            )
        else:
            log_event(
                "the relay failed; it tries again",
                Measure("RelayFailures"),
                level="ERROR",
                shard=self._shard,
                exception=format_traceback(error),
            )
        if isinstance(error, DatabaseUnavailableError):
            longest = _DATABASE_BACKOFF_SECONDS
        else:
            self._release()
        if isinstance(error, BusUnavailableError):
            seconds = _BUS_BACKOFF_SECONDS
        time.sleep(max(min(seconds, longest, stop_at - time.monotonic()), 0))

    def _acquired(self, stop_at: float) -> bool:
        """Wait as standby until the shard is free; False: the time is over."""
        while time.monotonic() < stop_at:
            self._may_own = True  # also when the answer does not arrive
            if self._outbox.acquire():
                self._waiting = False
                self._caught_up_at = None
                self._publisher.try_all_again()
                self._find_out_what_it_hears()
                logger.info("owns the shard", extra={"shard": self._shard, "owner": self._owner})
                return True
            self._may_own = False
            self._outbox.wait_for_release(min(_STANDBY_SECONDS, stop_at - time.monotonic()))
        return False

    def _find_out_what_it_hears(self) -> None:
        """Notify itself: behind a proxy, connections are others' too, and no notification comes."""
        self._hears = self._outbox.hears_notifications()
        if not self._hears:
            log_event(
                "no notifications come through this connection: the relay looks instead",
                Measure("RelaysPolling"),
                level="WARNING",
                shard=self._shard,
                seconds=_POLL_SECONDS,
            )

    def _relay(self, stop_at: float) -> None:
        while time.monotonic() < stop_at:
            read = self._read()
            renew_at = min(stop_at, time.monotonic() + LEASE_SECONDS / 2)
            is_published = self._publisher.publish(read, renew_at)
            if read.is_complete and is_published:
                self._caught_up_at = read.at
                if time.monotonic() >= self._watermark_due:
                    self._publish_watermark(read)
            self._failures = 0
            if read.events:
                self._waiting = False
                self._quiet_at = time.monotonic() + _QUIET_SECONDS
            else:
                self._idle(min(stop_at, self._watermark_due))

    def _read(self) -> OutboxRead:
        read = self._outbox.read(
            published=self._publisher.acknowledged,
            withheld=self._publisher.orders_left_out(),
            waiting=self._waiting,
            caught_up_at=self._caught_up_at,
        )
        self._publisher.acknowledged.clear()
        return read

    def _publish_watermark(self, read: OutboxRead) -> None:
        if read.watermark is not None:
            self._bus.publish_watermark(read.watermark, self._publisher.withheld)
        self._watermark_due = time.monotonic() + self._watermark_seconds

    def _idle(self, wake_at: float) -> None:
        """Return when there may be something to publish or to say to the commands, or at the time.

        While events come, the relay looks for them every few milliseconds and no command notifies.
        When it has been quiet for a while it says "waiting" (the next read writes that), goes on
        looking until every command that read the contrary has had its time, and then sleeps.
        """
        while (now := time.monotonic()) < wake_at:
            if not self._hears and now >= self._quiet_at:
                time.sleep(min(_POLL_SECONDS, wake_at - now))
                if self._outbox.has_events(self._publisher.orders_left_out()):
                    return
                continue
            if not self._waiting and now >= self._quiet_at:
                self._waiting = True
                self._look_until = now + _STATEMENT_SECONDS
                return
            if self._waiting and now >= self._look_until:
                self._outbox.wait_for_event(wake_at - now)
                return
            seconds = _LOOK_FOR_LATE_SECONDS if self._waiting else _LOOK_SECONDS
            if self._outbox.wait_for_event(seconds) or self._outbox.has_events(
                self._publisher.orders_left_out()
            ):
                return

    def _release(self) -> None:
        if not self._may_own and not self._publisher.acknowledged:
            return
        try:
            self._outbox.release(self._publisher.acknowledged)
        except Exception as error:  # noqa: BLE001 - must not hide why the shard is released
            # The lease runs out by itself; what was not deleted is published again.
            logger.warning(
                "could not release the shard", extra={"shard": self._shard, "reason": str(error)}
            )
        else:
            self._publisher.acknowledged.clear()
            self._may_own = False
