"""What one invocation of an event-source mapping is made of, and what its answer means."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Mapping, Sequence

    from infra.local.event_source.records import Partition, Record

FULL_RECORDS: Final = 10_000
FULL_BYTES: Final = 16 * 1024 * 1024
"""A partition whose buffer holds this much is not fetched until half of it is gone."""


@dataclass(eq=False)
class PartitionBuffer:
    """Fetched records of one partition that no invocation has taken yet, in offset order.

    `held` while the partition has a batch in flight or under retry: its next records wait, so that
    they stay in order. `wake` is the event its poller sleeps on.
    """

    partition: Partition
    wake: asyncio.Event
    held: bool = False
    paused: bool = False
    _records: deque[Record] = field(default_factory=deque)
    _bytes: int = 0

    @property
    def ready(self) -> bool:
        """Whether an invocation may take records from here now."""
        return bool(self._records) and not self.held

    @property
    def count(self) -> int:
        """How many records wait."""
        return len(self._records)

    @property
    def size(self) -> int:
        """How many bytes of a payload the waiting records take."""
        return self._bytes

    @property
    def oldest(self) -> float:
        """The time.monotonic() at which the first waiting record was fetched."""
        return self._records[0].arrived

    @property
    def full(self) -> bool:
        """Whether fetching should stop."""
        return len(self._records) >= FULL_RECORDS or self._bytes >= FULL_BYTES

    @property
    def drained(self) -> bool:
        """Whether fetching should resume after it was stopped."""
        return len(self._records) <= FULL_RECORDS // 2 and self._bytes <= FULL_BYTES // 2

    def add(self, records: Iterable[Record]) -> None:
        """Append newly fetched records."""
        for record in records:
            self._records.append(record)
            self._bytes += len(record.encoded) + 1

    def take(self, count: int, room: int) -> list[Record]:
        """Remove and give up to `count` records of together at most `room` payload bytes."""
        taken: list[Record] = []
        while self._records and len(taken) < count:
            size = len(self._records[0].encoded) + 1
            if size > room:
                break
            room -= size
            self._bytes -= size
            taken.append(self._records.popleft())
        return taken

    def poll_record(self) -> list[Record]:
        """Remove and give the first record whatever its size."""
        record = self._records.popleft()
        self._bytes -= len(record.encoded) + 1
        return [record]


def compose(
    buffers: Sequence[PartitionBuffer], batch_size: int, room: int
) -> dict[PartitionBuffer, list[Record]]:
    """Take one invocation's records from buffers that are ready, the first ones first.

    At most `batch_size` records and `room` payload bytes over all of them; a record that alone is
    larger goes by itself, for the function's service to refuse.
    """
    batch: dict[PartitionBuffer, list[Record]] = {}
    count = batch_size
    for buffer in buffers:
        taken = buffer.take(count, room)
        if taken:
            batch[buffer] = taken
            count -= len(taken)
            room -= sum(len(record.encoded) + 1 for record in taken)
    if not batch:
        batch[buffers[0]] = buffers[0].poll_record()
    return batch


@dataclass(frozen=True)
class Outcome:
    """How one invocation ended.

    `failures` has, per partition that is not done, the offset to resume from; `error` says why in
    one line. A throttled invocation did not run at all.
    """

    failures: Mapping[Partition, int] = field(default_factory=dict)
    error: str = ""
    request_id: str = ""
    function_error: str | None = None
    throttled: bool = False


def whole_batch_failed(
    batch: Mapping[Partition, Sequence[Record]],
    error: str,
    *,
    request_id: str = "",
    function_error: str | None = None,
) -> Outcome:
    """Return the outcome in which every partition starts over with its first record."""
    return Outcome(
        {partition: records[0].offset for partition, records in batch.items()},
        error,
        request_id,
        function_error,
    )


def read_partial_response(
    answer: bytes, batch: Mapping[Partition, Sequence[Record]], request_id: str
) -> Outcome:
    """Read the answer of a function with ReportBatchItemFailures.

    `{"batchItemFailures": [{"itemIdentifier": {"partition": "topic-0", "offset": 12}}]}`: each
    named partition resumes from the lowest offset named. No answer, null and no failures mean
    success. Anything else, or a record that was not in the batch, fails the whole batch.
    """
    try:
        response = json.loads(answer or b"null")
        failures = _failures(response, batch)
    except (ValueError, TypeError, KeyError) as problem:
        error = f"malformed partial batch response ({problem}): {answer[:200]!r}"
        return whole_batch_failed(batch, error, request_id=request_id)
    error = "reported in batchItemFailures" if failures else ""
    return Outcome(failures, error, request_id)


def _failures(
    response: object, batch: Mapping[Partition, Sequence[Record]]
) -> dict[Partition, int]:
    if response is None or response == "":
        return {}
    if not isinstance(response, dict):
        raise TypeError("not an object")
    offsets = {
        partition.name: (partition, {record.offset for record in records})
        for partition, records in batch.items()
    }
    failures: dict[Partition, int] = {}
    for failure in response.get("batchItemFailures") or []:
        item = failure["itemIdentifier"]
        partition, known = offsets[item["partition"]]
        offset = item["offset"]
        # JSON's true is an int to Python, but no offset.
        if isinstance(offset, bool) or offset not in known:
            raise ValueError(f"offset {offset!r} was not in the batch")
        failures[partition] = min(offset, failures.get(partition, offset))
    return failures
