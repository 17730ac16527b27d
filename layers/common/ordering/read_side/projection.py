"""The projection loop: a batch of records is folded in memory and written in one statement.

A batch costs two round trips, however many events it has: read the rows of its orders, write them
back together with the versions applied, the positions and the watermarks. A partition stops at its
first failure, whose offset is reported; the other partitions go on.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from ordering.delivery.published import BadRecordError, PublishedEvent, Watermark, read
from ordering.function import DatabaseFunction
from ordering.observability import Measure, MetricUnit, report, told
from ordering.settings import ReadSide

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ordering.function import Context

Document = dict[str, Any]

# One statement, so that rows and positions are written together or not at all. A batch that begins
# behind where the last one ended tells of records that were skipped (by retention, or by somebody
# who moved the group's offsets): nobody knows what is missing, so as_of stands still from there on.
_SAVE: Final = """
with saved as ({save}), come as (
  select * from json_to_recordset(%(positions)s::json) as p (
    partition int, partitions int, as_of timestamptz, first_offset bigint, next_offset bigint
  )
), seen as (
  insert into watermarks as w (projection, partition, partitions, as_of, next_offset, gap_at)
  select %(projection)s, partition, partitions, case when first_offset = 0 then as_of end,
    next_offset, case when first_offset > 0 then 0 end
  from come
  on conflict (projection, partition) do update
  set partitions = coalesce(excluded.partitions, w.partitions),
    gap_at = coalesce(w.gap_at, (
      select w.next_offset from come
      where come.partition = w.partition and come.first_offset > w.next_offset
    )),
    as_of = case
      when w.gap_at is not null or exists (
        select from come where come.partition = w.partition and come.first_offset > w.next_offset
      ) then w.as_of
      else greatest(w.as_of, (select c.as_of from come as c where c.partition = w.partition))
    end,
    next_offset = greatest(w.next_offset, excluded.next_offset)
  returning w.partition, w.gap_at
)
select partition, gap_at from seen where gap_at is not null
"""


class GapError(Exception):
    """An event came before the one it follows: the source has to bring the earlier one first."""


@dataclass
class _Partition:
    """One partition's part of the batch."""

    name: str
    records: list[Mapping[str, Any]]
    watermark: Watermark | None = None
    failed_offset: int | None = None

    def position(self) -> dict[str, object]:
        """Say from where to where it was read, and how fresh that is."""
        first_offset: int = self.records[0]["offset"]
        end: int = self.records[-1]["offset"] + 1
        return {
            "partition": int(self.name.rpartition("-")[2]),
            "partitions": self.watermark and self.watermark.partitions,
            "as_of": self.watermark and self.watermark.as_of.isoformat(),
            "first_offset": first_offset,
            "next_offset": end if self.failed_offset is None else self.failed_offset,
        }


@dataclass
class _Row:
    """One order's document in the read model, and the version it has applied."""

    version: int = 0
    document: Document | None = None


@dataclass
class _Batch:
    """What the records of one invocation become."""

    rows: dict[str, _Row] = field(default_factory=dict)
    changed: dict[str, _Row] = field(default_factory=dict)
    applied: list[PublishedEvent] = field(default_factory=list)


class ProjectorFunction(DatabaseFunction):
    """The Lambda handler of one read model.

    ``load`` selects (order_id text, version, document) of the orders ``%(order_ids)s``; ``save``
    upserts the rows ``%(rows)s``, a JSON array of {order_id, version, document}, where the version
    grows; ``fold`` gives an order's document after one event.
    """

    side = ReadSide

    def __init__(
        self,
        projection: str,
        *,
        load: str,
        save: str,
        fold: Callable[[Document | None, PublishedEvent], Document],
    ) -> None:
        self.projection = projection
        self._load = load
        self._save = _SAVE.format(save=save)
        self._fold = fold
        super().__init__()

    def __call__(self, event: Mapping[str, Any], context: Context | None) -> dict[str, Any]:
        """Apply one batch; the answer names the offset at which each partition stopped.

        Raises:
            DatabaseUnavailableError: nothing of the batch was applied; it comes again.
        """
        self._limit_time(context)
        partitions = [_Partition(name, records) for name, records in event["records"].items()]
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
        return {order_id: _Row(version, document) for order_id, version, document in found}

    def _apply(
        self,
        batch: _Batch,
        partition: _Partition,
        records: Iterable[tuple[int, PublishedEvent | Watermark]],
    ) -> None:
        for offset, record in records:
            if isinstance(record, Watermark):
                partition.watermark = record
                continue
            row = batch.rows.setdefault(record.order_id, _Row())
            if record.version <= row.version:
                continue  # delivered before
            try:
                _require_next(row.version, record.version)
                row.document = self._fold(row.document, record)
            except Exception as error:  # noqa: BLE001 - whatever a fold does harms its partition only
                _stop(partition, offset, error, record)
                return
            row.version = record.version
            batch.changed[record.order_id] = row
            batch.applied.append(record)

    def _write(self, batch: _Batch, partitions: Iterable[_Partition]) -> None:
        positions = [p.position() for p in partitions]
        rows = [
            {"order_id": order_id, "version": row.version, "document": row.document}
            for order_id, row in batch.changed.items()
        ]
        gaps = self._database.rows(
            self._save,
            {
                "projection": self.projection,
                "rows": json.dumps(rows, ensure_ascii=False),
                "positions": json.dumps(positions),
            },
        )
        for partition, offset in gaps:
            report(
                "records were skipped: this read model's as_of stands still until it is rebuilt",
                Measure("PartitionsWithGap"),
                level="ERROR",
                partition=partition,
                offset=offset,
            )


def _read_until_failure(partition: _Partition) -> Iterable[tuple[int, PublishedEvent | Watermark]]:
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
    partition: _Partition,
    offset: int,
    error: Exception,
    event: PublishedEvent | None = None,
) -> None:
    if partition.failed_offset is not None:
        offset = min(offset, partition.failed_offset)
    partition.failed_offset = offset
    report(
        "the partition stops here",
        Measure("PartitionsStopped"),
        level="ERROR",
        partition=partition.name,
        offset=offset,
        order_id=event.order_id if event else None,
        version=event.version if event else None,
        correlation_id=event.correlation_id if event else None,
        traceparent=event.traceparent if event else None,
        exception=told(error),
    )


def _report(batch: _Batch) -> None:
    """Log and count what was applied; a batch of watermarks only is not worth a line."""
    if not batch.applied:
        return
    oldest = min(event.time for event in batch.applied)
    age = (datetime.now(UTC) - oldest).total_seconds()
    report(
        "applied",
        Measure("EventsApplied", len(batch.applied)),
        Measure("EndToEndAge", age * 1000, MetricUnit.Milliseconds),
        events=len(batch.applied),
        orders=len(batch.changed),
        correlation_ids=sorted({event.correlation_id for event in batch.applied}),
        traceparents=sorted({event.traceparent for event in batch.applied}),
    )
