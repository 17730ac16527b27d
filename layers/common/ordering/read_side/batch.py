"""What the records of one invocation become: applied, parked, noted as behind or stopped at."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from ordering.delivery.published import BadRecordError, PublishedEvent
from ordering.runtime.observability import Measure, MetricUnit, format_traceback, log_event

from .parking import Parked, describe_error

if TYPE_CHECKING:
    from .folding import OrderRow
    from .generations import Generation
    from .positions import Partition
    from .records import Record
    from .store import Found, Write


class Noted(NamedTuple):
    """A record, and what is said of it once the batch is written."""

    partition: Partition
    record: Record
    error: Exception


class ReusedVersion(NamedTuple):
    """An event that is no repeat, though its version is applied."""

    partition: str
    offset: int
    event: PublishedEvent
    last_event_time: datetime | None


@dataclass
class Batch:
    """What the records of one invocation become."""

    found: Found
    write: Write
    parked: set[tuple[int, str]]
    """The generations and orders that are parked by now."""
    applied: list[PublishedEvent] = field(default_factory=list)
    reused: list[ReusedVersion] = field(default_factory=list)
    poisoned: list[Noted] = field(default_factory=list)
    stopped: list[Noted] = field(default_factory=list)
    changing: dict[tuple[int, str], list[Record]] = field(default_factory=dict)
    """The events of the batch that changed an order in a generation."""

    @property
    def lead(self) -> Generation:
        """The live generation, or while there is none the first that is being built."""
        return self.found.generations[0]

    def note_applied(
        self, partition: Partition, generation: Generation, record: Record, row: OrderRow
    ) -> None:
        """Note that a record's event has changed a row."""
        event = record.content
        if not isinstance(event, PublishedEvent):
            return
        self.write.changed[generation.number][event.order_id] = row
        self.changing.setdefault((generation.number, event.order_id), []).append(record)
        if generation is self.lead:
            self.applied.append(event)
            if partition.applied_offset is None:
                partition.applied_offset = record.offset


def park(
    batch: Batch, partition: Partition, generation: Generation, record: Record, error: Exception
) -> None:
    """Park what cannot be applied; in a generation that is not live, let it be folded anew."""
    if record.order_id is not None:
        if not generation.is_live:
            batch.write.behind[generation.number, record.order_id] = describe_error(error)
            return
        batch.parked.add((generation.number, record.order_id))
    batch.write.parked.append(parked(generation.number, record, describe_error(error)))
    batch.poisoned.append(Noted(partition, record, error))


def error_of(record: Record) -> Exception:
    """Return why a record that holds no event cannot be applied."""
    content = record.content
    return content if isinstance(content, BadRecordError) else BadRecordError("of no order")


def parked(generation: int, record: Record, error: str | None) -> Parked:
    """Return a record as it is parked: with its error, or without one behind others."""
    content = record.content
    event = content if isinstance(content, PublishedEvent) else None
    bad = content if isinstance(content, BadRecordError) else BadRecordError()
    # Of another order's event nothing is the version of this one.
    is_its = bad.order_id == record.order_id
    return Parked(
        generation=generation,
        order_id=record.order_id,
        customer_id=event.after.customer_id if event else None,
        version=event.version if event else bad.version if is_its else None,
        event_type=type(event.fact).__name__ if event else bad.event_type,
        error=error,
        partition=record.partition,
        record_offset=record.offset,
        record_key=record.key,
        record=record.value,
    )


def note_reused_version(
    batch: Batch, partition: Partition, generation: Generation, record: Record, row: OrderRow
) -> None:
    """Note the event if it is another than the one that was applied with its version."""
    event = record.content
    if not isinstance(event, PublishedEvent) or not row.is_reused_by(event):
        return
    if generation is not batch.lead:
        batch.write.behind[generation.number, event.order_id] = "a version is reused"
        return
    batch.reused.append(ReusedVersion(partition.name, record.offset, event, row.last_event_time))
    if partition.reused_offset is None:
        partition.reused_offset = record.offset


def report(batch: Batch) -> None:
    """Log and count what was applied, parked and stopped at, once it is written."""
    for noted in batch.stopped:
        _log_noted("the partition stops here", "PartitionsStopped", noted)
    for noted in batch.poisoned:
        _log_noted("an event cannot be applied: its order is parked", "EventsParked", noted)
    _report_applied(batch)
    _report_reused(batch)


def _log_noted(message: str, metric: str, noted: Noted) -> None:
    content = noted.record.content
    event = content if isinstance(content, PublishedEvent) else None
    log_event(
        message,
        Measure(metric),
        level="ERROR",
        partition=noted.partition.name,
        offset=noted.record.offset,
        order_id=noted.record.order_id,
        version=event.version if event else None,
        correlation_id=event.correlation_id if event else None,
        traceparent=event.traceparent if event else None,
        exception=format_traceback(noted.error),
    )


def _report_applied(batch: Batch) -> None:
    """Log and count what was applied; a batch of watermarks only is not worth a line."""
    if not batch.applied:
        return
    oldest = min(event.time for event in batch.applied)
    # Two hosts' clocks: an age is never negative.
    age = max((datetime.now(UTC) - oldest).total_seconds(), 0)
    log_event(
        "applied",
        Measure("EventsApplied", len(batch.applied)),
        Measure("EndToEndAge", age * 1000, MetricUnit.Milliseconds),
        events=len(batch.applied),
        orders=len({event.order_id for event in batch.applied}),
        correlation_ids=sorted({event.correlation_id for event in batch.applied}),
        traceparents=sorted({event.traceparent for event in batch.applied}),
    )


def _report_reused(batch: Batch) -> None:
    for reused in batch.reused:
        log_event(
            "event reuses a version that is applied: the write side was restored",
            Measure("VersionsReused"),
            level="ERROR",
            partition=reused.partition,
            offset=reused.offset,
            order_id=reused.event.order_id,
            version=reused.event.version,
            time=reused.event.time.isoformat(),
            applied_time=reused.last_event_time and reused.last_event_time.isoformat(),
            correlation_id=reused.event.correlation_id,
            traceparent=reused.event.traceparent,
        )
