"""The projection loop: a batch of records is folded in memory and written in one statement.

A batch costs two round trips, however many events it has: read the rows of its orders, write them
back together with the versions applied, the positions and the watermarks. A partition stops at its
first failure, whose offset is reported; the other partitions continue.
"""

from __future__ import annotations

import base64
import binascii
import gc
import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ordering.delivery.published import BadRecordError, PublishedEvent, Watermark, read
from ordering.runtime.function import DatabaseFunction
from ordering.runtime.observability import Measure, MetricUnit, format_traceback, log_event
from ordering.runtime.settings import ReadSide

from .positions import Partition, report_positions, save_with_positions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from ordering.runtime.function import Context

    from .shapes import OneRow

Document = dict[str, Any]


class GapError(Exception):
    """An event came before the one it follows: the source has to bring the earlier one first."""


@dataclass
class _Row:
    """One order's document in the read model, and the version it has applied."""

    version: int = 0
    document: Document | None = None
    last_event_time: datetime | None = None
    """Of all events applied the latest time; None: not known."""

    def apply(self, event: PublishedEvent, document: Document) -> None:
        """Set the row to the document after one more event."""
        self.version = event.version
        self.document = document
        # The greatest, not the last: the write side's clock may have been set back in between.
        known = self.last_event_time
        self.last_event_time = event.time if known is None else max(known, event.time)


@dataclass(frozen=True)
class _ReusedVersion:
    """An event that is no repeat, though its version is applied."""

    partition: str
    offset: int
    event: PublishedEvent
    last_event_time: datetime


@dataclass
class _Batch:
    """What the records of one invocation become."""

    rows: dict[str, _Row] = field(default_factory=dict)
    changed: dict[str, _Row] = field(default_factory=dict)
    applied: list[PublishedEvent] = field(default_factory=list)
    reused: list[_ReusedVersion] = field(default_factory=list)


class ProjectorFunction(DatabaseFunction):
    """The Lambda handler of one read model.

    ``projection`` names it and its table, ``fold`` gives an order's document after one more event,
    and ``shape`` says what is kept of the document.
    """

    side = ReadSide

    def __init__(
        self,
        projection: str,
        fold: Callable[[Document | None, PublishedEvent], Document],
        shape: OneRow,
    ) -> None:
        self.projection = projection
        self.shape = shape
        self._load = shape.load(projection)
        self._save = save_with_positions(shape.save(projection))
        self._fold = fold
        super().__init__()

    def __call__(self, event: Mapping[str, Any], context: Context | None) -> dict[str, Any]:
        """Apply one batch; the answer names the offset at which each partition stopped.

        Raises:
            DatabaseUnavailableError: nothing of the batch was applied; it comes again.
        """
        self._limit_time(context)
        with _garbage_collection_paused():
            return self._apply_batch(event)

    def _apply_batch(self, event: Mapping[str, Any]) -> dict[str, Any]:
        partitions = [Partition(name, records) for name, records in event["records"].items()]
        read_ones = {p.name: list(_read_until_failure(p)) for p in partitions}
        order_ids = {
            record.order_id
            for records in read_ones.values()
            for _, record in records
            if isinstance(record, PublishedEvent)
        }
        batch = _Batch(rows=self._rows(order_ids))
        for partition in partitions:
            self._apply(batch, partition, read_ones[partition.name])
        self._write(batch, partitions)
        _report(batch)
        _report_reused(batch)
        return {
            "batchItemFailures": [
                {"itemIdentifier": {"partition": p.name, "offset": p.failed_offset}}
                for p in partitions
                if p.failed_offset is not None
            ]
        }

    def _rows(self, order_ids: Iterable[str]) -> dict[str, _Row]:
        wanted = list(order_ids)
        if not wanted:
            return {}
        found = self._database.rows(self._load, {"order_ids": wanted})
        return {order_id: _Row(*row) for order_id, *row in found}

    def _apply(
        self,
        batch: _Batch,
        partition: Partition,
        records: Iterable[tuple[int, PublishedEvent | Watermark]],
    ) -> None:
        for offset, record in records:
            if isinstance(record, Watermark):
                partition.watermarks.append((offset, record))
                continue
            row = batch.rows.setdefault(record.order_id, _Row())
            if record.version <= row.version:
                _note_reused_version(batch, partition, offset, record)
                continue
            try:
                _require_next(row.version, record.version)
                document = self._fold(row.document, record)
            except Exception as error:  # noqa: BLE001 - whatever a fold does harms its partition only
                _stop(partition, offset, error, record)
                return
            row.apply(record, document)
            batch.changed[record.order_id] = row
            batch.applied.append(record)
            if partition.applied_offset is None:
                partition.applied_offset = offset

    def _write(self, batch: _Batch, partitions: Iterable[Partition]) -> None:
        positions = [p.position() for p in partitions]
        watermarks = [mark for p in partitions for mark in p.marks()]
        rows = [
            {
                "order_id": order_id,
                "version": row.version,
                "document": row.document,
                "last_event_time": row.last_event_time and row.last_event_time.isoformat(),
            }
            for order_id, row in batch.changed.items()
        ]
        known = self._database.rows(
            self._save,
            {
                "projection": self.projection,
                "rows": json.dumps(rows, ensure_ascii=False),
                "positions": json.dumps(positions),
                "watermarks": json.dumps(watermarks),
            },
        )
        report_positions(known)


@contextmanager
def _garbage_collection_paused() -> Iterator[None]:
    # A batch makes tens of thousands of objects and hardly a cycle: looking through them for
    # cycles takes a third of the time of decoding them.
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _note_reused_version(
    batch: _Batch, partition: Partition, offset: int, event: PublishedEvent
) -> None:
    """Note the event if it is another than the one that was applied with its version."""
    latest = batch.rows[event.order_id].last_event_time
    if latest is None or event.time <= latest:
        return
    batch.reused.append(_ReusedVersion(partition.name, offset, event, latest))
    if partition.reused_offset is None:
        partition.reused_offset = offset


def _read_until_failure(partition: Partition) -> Iterable[tuple[int, PublishedEvent | Watermark]]:
    """Decode the partition's records, in order, up to the first that cannot be read."""
    for record in partition.records:
        try:
            yield record["offset"], read(base64.b64decode(record.get("value") or "", validate=True))
        except (BadRecordError, binascii.Error) as error:
            _stop(partition, record["offset"], error)
            return


def _require_next(applied: int, version: int) -> None:
    if version != applied + 1:
        raise GapError(f"version {version} came after {applied}")


def _stop(
    partition: Partition,
    offset: int,
    error: Exception,
    event: PublishedEvent | None = None,
) -> None:
    if partition.failed_offset is not None:
        offset = min(offset, partition.failed_offset)
    partition.failed_offset = offset
    log_event(
        "the partition stops here",
        Measure("PartitionsStopped"),
        level="ERROR",
        partition=partition.name,
        offset=offset,
        order_id=event.order_id if event else None,
        version=event.version if event else None,
        correlation_id=event.correlation_id if event else None,
        traceparent=event.traceparent if event else None,
        exception=format_traceback(error),
    )


def _report(batch: _Batch) -> None:
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
        orders=len(batch.changed),
        correlation_ids=sorted({event.correlation_id for event in batch.applied}),
        traceparents=sorted({event.traceparent for event in batch.applied}),
    )


def _report_reused(batch: _Batch) -> None:
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
            applied_time=reused.last_event_time.isoformat(),
            correlation_id=reused.event.correlation_id,
            traceparent=reused.event.traceparent,
        )
