"""How far each partition is applied, and how fresh that makes a read model.

A partition's row in ``watermarks`` is written by the statement that writes the read model's rows.
Decisions 4 and 10 give the reasons.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ordering.runtime.observability import Measure, log_event

from .freshness import CLOCK_TOLERANCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ordering.delivery.published import Watermark
    from ordering.runtime.postgres import Row

# One statement, so that rows and positions are written together or not at all. From the first gap
# on as_of stands still:
# - a batch begins behind where the last one ended: records were skipped (by retention, or by
#   an operator who moved the group's offsets), and which is unknown. A read model that is only
#   being built may begin in the middle: what the topic has lost by then, the fill brings;
# - before next_offset there is an event that is not applied, or a watermark that is newer than
#   every one that was read there: the topic was deleted and made anew, or its log lost its end, and
#   what is missing is unknown;
# - an event reuses a version that is applied: the write side was restored to an earlier time.
# A watermark that is redelivered is not taken again. One that is later than this database's clock
# shows that a clock is wrong: it neither moves as_of nor proves anything. An as_of that lies in the
# future, since a clock was set back, is forgotten: the next watermark takes its place.
_POSITIONS: Final = """
clock as (
  select clock_timestamp() + {tolerance} as latest
), come as (
  select * from json_to_recordset(%(positions)s::json) as p (
    partition int, partitions int, withheld int, first_offset bigint, next_offset bigint,
    applied_offset bigint, reused_offset bigint
  )
), mark as (
  select m.*, m.as_of > clock.latest as is_ahead
  from clock, json_to_recordset(%(watermarks)s::json) as m (
    partition int, record_offset bigint, as_of timestamptz
  )
), seen as (
  insert into watermarks as w (
    projection, partition, partitions, withheld, next_offset, newest_watermark, as_of,
    gap_at, gap_reason, gap_since
  )
  select %(read_model)s, c.partition, c.partitions, coalesce(c.withheld, 0), c.next_offset,
    (select max(m.as_of) from mark as m where m.partition = c.partition),
    case when gap.at is null then (
      select max(m.as_of) from mark as m where m.partition = c.partition and not m.is_ahead
    ) end,
    gap.at, gap.reason, case when gap.at is not null then clock_timestamp() end
  from come as c left join lateral (
    select 1 as rank, 0 as at, 'records skipped' as reason
    where c.first_offset > 0 and exists (
      select from generations where read_model = %(read_model)s and state = 'live'
    )
    union all select 2, c.reused_offset, 'version reused' where c.reused_offset is not null
    order by rank limit 1
  ) as gap on true
  on conflict (projection, partition) do update
  set (
    partitions, withheld, next_offset, newest_watermark, as_of, gap_at, gap_reason, gap_since
  ) = (
    select coalesce(c.partitions, w.partitions), coalesce(c.withheld, w.withheld),
      greatest(w.next_offset, c.next_offset),
      case when w.newest_watermark > clock.latest then coalesce(new.newest, w.newest_watermark)
        else greatest(w.newest_watermark, new.newest) end,
      greatest(
        case when w.as_of <= clock.latest then w.as_of end,
        case when gap.at is null then new.as_of end
      ),
      gap.at, gap.reason,
      case when gap.at is not null then coalesce(w.gap_since, clock_timestamp()) end
    from clock, come as c, lateral (
      select max(m.as_of) as newest, max(m.as_of) filter (where not m.is_ahead) as as_of
      from mark as m where m.partition = w.partition and m.record_offset >= w.next_offset
    ) as new left join lateral (
      select 1 as rank, w.gap_at as at, w.gap_reason as reason where w.gap_at is not null
      union all select 2, w.next_offset, 'records skipped' where c.first_offset > w.next_offset
      union all select 3, m.record_offset, 'topic replaced or cut' from mark as m
        where m.partition = w.partition and m.record_offset < w.next_offset
          and m.as_of > w.newest_watermark and not m.is_ahead
      union all select 3, c.applied_offset, 'topic replaced or cut'
        where c.applied_offset < w.next_offset
      union all select 4, c.reused_offset, 'version reused' where c.reused_offset is not null
      order by rank, at limit 1
    ) as gap on true
    where c.partition = w.partition
  )
  returning w.partition, w.gap_at, w.gap_reason
)
"""
POSITIONS: Final = _POSITIONS.format(tolerance=CLOCK_TOLERANCE).rstrip()
"""The parts of a WITH that write the positions: ``%(positions)s`` and ``%(watermarks)s``, JSON."""
SEEN: Final = """
select s.partition, s.gap_at, s.gap_reason,
  (select max(m.as_of) from mark as m where m.partition = s.partition and m.is_ahead)
from seen as s
"""
"""What has become of them, for ``report_positions``."""


@dataclass
class Partition:
    """One partition's part of the batch."""

    name: str
    records: list[Mapping[str, Any]]
    watermarks: list[tuple[int, Watermark]] = field(default_factory=list)
    """Those that were read, each with its offset."""
    failed_offset: int | None = None
    applied_offset: int | None = None
    """The first event of the batch that changed the read model."""
    reused_offset: int | None = None
    """The first event of the batch that reuses a version that is applied."""

    @property
    def number(self) -> int:
        """The partition's number in its topic."""
        return int(self.name.rpartition("-")[2])

    def position(self) -> dict[str, object]:
        """Return from where to where it was read, and what its last watermark says beside as_of."""
        first_offset: int = self.records[0]["offset"]
        end: int = self.records[-1]["offset"] + 1
        last = self.watermarks[-1][1] if self.watermarks else None
        return {
            "partition": self.number,
            "partitions": last and last.partitions,
            "withheld": last and last.withheld,
            "first_offset": first_offset,
            "next_offset": end if self.failed_offset is None else self.failed_offset,
            "applied_offset": self.applied_offset,
            "reused_offset": self.reused_offset,
        }

    def marks(self) -> list[dict[str, object]]:
        """Return the watermarks as the statement takes them."""
        return [
            {
                "partition": self.number,
                "record_offset": offset,
                "as_of": watermark.as_of.isoformat(),
            }
            for offset, watermark in self.watermarks
        ]


def report_positions(rows: Iterable[Row]) -> None:
    """Log and count the partitions whose as_of stands still."""
    for partition, gap_at, gap_reason, ahead in rows:
        if gap_at is not None:
            log_event(
                "partition has a gap: as_of stands still until the read model is filled anew",
                Measure("PartitionsWithGap"),
                level="ERROR",
                partition=partition,
                offset=gap_at,
                reason=gap_reason,
            )
        if ahead is not None:
            log_event(
                "watermark is later than the read database's clock: as_of does not follow",
                Measure("WatermarksAhead"),
                level="WARNING",
                partition=partition,
                watermark=ahead.isoformat(),
            )
