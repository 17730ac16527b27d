"""Publishing what was read from the outbox: in waves, and around orders that Kafka refuses."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from ordering.runtime.observability import Measure, MetricUnit, log_event

from .envelope import write_event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .bus import Bus
    from .outbox import OutboxEvent, OutboxRead

RETRY_SECONDS: Final = 30.0
"""After so long a refused event is tried again: a limit may have been raised."""


class Publisher:
    """Publishes one shard's events for the relay that owns the shard.

    An order whose event is refused is withheld: that event and its successors stay in the outbox,
    in order, and all other orders flow. It is known to this relay only; the next owner finds out
    by one try.
    """

    def __init__(self, bus: Bus, shard: int) -> None:
        self._bus = bus
        self._shard = shard
        self._retry_at: dict[str, float] = {}
        self.acknowledged: list[int] = []
        """``seq`` of the rows whose events are on the bus, until they are deleted."""
        self.events_published = 0

    @property
    def withheld(self) -> int:
        """The number of orders withheld."""
        return len(self._retry_at)

    def orders_left_out(self) -> list[str]:
        """Return the withheld orders that are not to be tried again yet."""
        now = time.monotonic()
        return [order_id for order_id, retry_at in self._retry_at.items() if retry_at > now]

    def try_all_again(self) -> None:
        """Forget which orders are withheld: another relay may have published their events."""
        self._retry_at.clear()

    def publish(self, read: OutboxRead, until: float) -> bool:
        """Publish wave by wave; return whether nothing of it is left but withheld orders.

        Something is left when the time (``time.monotonic``) has come.

        Raises:
            BusUnavailableError: an event was not acknowledged; those before it are noted.
        """
        refused: set[str] = set()
        is_begun = False
        for wave in _waves(read.events):
            for events in self._portions([e for e in wave if e.order_id not in refused]):
                if is_begun and time.monotonic() >= until:
                    return False
                is_begun = True
                if not self._publish(read, events, refused):
                    return False
        if read.is_complete:
            # Events of an order to be tried again that are no longer there are another relay's.
            found = {event.order_id for event in read.events}.union(read.withheld)
            for order_id in self._retry_at.keys() - found:
                del self._retry_at[order_id]
        return True

    def _portions(self, wave: list[OutboxEvent]) -> list[list[OutboxEvent]]:
        """Put the events that may be refused apart, since a refusal disturbs what is sent with it.

        Those were refused before; they go last, each alone.
        """
        others = [event for event in wave if event.order_id not in self._retry_at]
        alone = [[event] for event in wave if event.order_id in self._retry_at]
        return [others, *alone] if others else alone

    def _publish(self, read: OutboxRead, events: Sequence[OutboxEvent], refused: set[str]) -> bool:
        """Publish events of different orders; add the orders of those refused to ``refused``."""
        records = [_record(event) for event in events]
        delivery = self._bus.publish(records)
        # Noted one by one: what follows a failure does not repeat what was acknowledged.
        acknowledged = [events[number] for number in sorted(delivery.acknowledged)]
        for event in acknowledged:
            self.acknowledged.append(event.seq)
            self._retry_at.pop(event.order_id, None)
        for number, reason in delivery.refused.items():
            event = events[number]
            refused.add(event.order_id)
            self._retry_at[event.order_id] = time.monotonic() + RETRY_SECONDS
            self._report_refused(event, len(records[number][1]), reason)
        if acknowledged:
            self._report_published(read, acknowledged)
        if delivery.failure is not None:
            raise delivery.failure
        return len(acknowledged) + len(delivery.refused) == len(events)

    def _report_published(self, read: OutboxRead, events: Sequence[OutboxEvent]) -> None:
        self.events_published += len(events)
        # Not below zero, should the clock have been set back since it was recorded.
        oldest = max((read.at - events[0].recorded_at).total_seconds(), 0.0)
        log_event(
            "published",
            Measure("EventsPublished", len(events)),
            Measure("OutboxAge", oldest * 1000, MetricUnit.Milliseconds),
            shard=self._shard,
            events=len(events),
            correlation_ids=sorted({e.metadata.get("correlation_id") or "" for e in events}),
            traceparents=sorted({e.metadata.get("traceparent") or "" for e in events}),
        )

    def _report_refused(self, event: OutboxEvent, size: int, reason: str) -> None:
        log_event(
            "kafka refused an event; its order is withheld",
            Measure("EventsRefused"),
            level="ERROR",
            shard=self._shard,
            order_id=event.order_id,
            version=event.version,
            type=event.type,
            bytes=size,
            reason=reason,
            correlation_id=event.metadata.get("correlation_id"),
        )


def _record(event: OutboxEvent) -> tuple[str, bytes]:
    """Return the key and the value of an event's record."""
    value = write_event(
        order_id=event.order_id,
        version=event.version,
        event_type=event.type,
        schema_version=event.schema_version,
        data=event.data,
        metadata=event.metadata,
        recorded_at=event.recorded_at,
    )
    return event.order_id, value


def _waves(events: Sequence[OutboxEvent]) -> list[list[OutboxEvent]]:
    """Split so that no wave has two events of one order; each order's keep their sequence.

    A later version of an order is never in the topic before an earlier one, whatever fails in
    between, if each wave is acknowledged before the next one goes out.
    """
    waves: list[list[OutboxEvent]] = []
    counts: dict[str, int] = {}
    for event in events:
        number = counts.get(event.order_id, 0)
        counts[event.order_id] = number + 1
        if number == len(waves):
            waves.append([])
        waves[number].append(event)
    return waves
