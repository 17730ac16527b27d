"""The projection loop: a batch of records is folded in memory and written in one statement.

A batch costs two round trips, however many events it has: read the rows of its orders, write them
back together with the versions applied, the positions and the watermarks. An event that cannot be
applied is parked, and harms its own order only. A partition stops at its first gap, whose offset is
reported; the other partitions continue.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from ordering.delivery.published import PublishedEvent, Watermark
from ordering.runtime.function import DatabaseFunction
from ordering.runtime.link import PLANNED_ONCE
from ordering.runtime.postgres import DatabaseUnavailableError
from ordering.runtime.settings import ReadSide

from .batch import Batch, Noted, error_of, note_reused_version, park, parked, report
from .folding import GapError, OrderRow, ReadModel, Revision
from .parking import describe_error
from .positions import Partition, report_positions
from .records import Record, read_record
from .store import ConflictError, ReadModelStore, Write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ordering.runtime.function import Context

    from .generations import Generation
    from .shapes import Document, Shape

_ATTEMPTS: Final = 10


class UnknownRevisionError(Exception):
    """The live generation is of a revision of the read model that this code does not have."""


class ProjectorFunction(DatabaseFunction):
    """The Lambda handler of one read model.

    ``projection`` names it and its tables, ``fold`` gives an order's document after one more event,
    and ``shape`` says what is kept of the document. ``revision`` counts up when either changes so
    that the rows there are do not fit any more; ``earlier`` has, by their numbers, the revisions
    that generations are still of.
    """

    side = ReadSide
    on_connect = PLANNED_ONCE

    def __init__(
        self,
        projection: str,
        fold: Callable[[Document | None, PublishedEvent], Document],
        shape: Shape,
        *,
        revision: int = 1,
        earlier: Mapping[int, Revision] | None = None,
    ) -> None:
        self.projection = projection
        self.shape = shape
        revisions = {**(earlier or {}), revision: Revision(fold, shape)}
        self.read_model = ReadModel(projection, revisions)
        self._opened_store: ReadModelStore | None = None
        super().__init__()

    @property
    def _store(self) -> ReadModelStore:
        if self._opened_store is None or self._opened_store.database is not self._database:
            self._opened_store = ReadModelStore(
                self._database, self.read_model, is_planned_once=True
            )
        return self._opened_store

    def __call__(self, event: Mapping[str, Any], context: Context | None) -> dict[str, Any]:
        """Apply one batch; the answer names the offset at which each partition stopped.

        Raises:
            DatabaseUnavailableError: nothing of the batch was applied; it comes again.
            UnknownRevisionError: likewise; newer code has to apply it.
        """
        self._limit_time(context)
        with _garbage_collection_paused():
            return self._apply_batch(event)

    def _apply_batch(self, event: Mapping[str, Any]) -> dict[str, Any]:
        records = {
            name: [read_record(source) for source in sources]
            for name, sources in event["records"].items()
        }
        order_ids = {
            record.order_id
            for of_partition in records.values()
            for record in of_partition
            if record.order_id is not None
        }
        for _ in range(_ATTEMPTS):
            partitions = [Partition(name, sources) for name, sources in event["records"].items()]
            try:
                found = self._store.load(order_ids)
                batch = Batch(found, Write(found), set(found.parked))
                for partition in partitions:
                    self._apply(batch, partition, records[partition.name])
                self._write(batch, partitions)
            except ConflictError as error:
                conflict = error
                continue
            report(batch)
            break
        else:
            raise DatabaseUnavailableError(str(conflict)) from conflict
        return {
            "batchItemFailures": [
                {"itemIdentifier": {"partition": p.name, "offset": p.failed_offset}}
                for p in partitions
                if p.failed_offset is not None
            ]
        }

    def _apply(self, batch: Batch, partition: Partition, records: list[Record]) -> None:
        generations = batch.found.generations
        for record in records:
            if isinstance(record.content, Watermark):
                partition.watermarks.append((record.offset, record.content))
                continue
            try:
                # The live one comes first: at its gap nothing of the record is applied anywhere.
                for generation in generations:
                    self._apply_to(batch, partition, generation, record)
            except GapError as error:
                partition.failed_offset = record.offset
                batch.stopped.append(Noted(partition, record, error))
                return

    def _apply_to(
        self, batch: Batch, partition: Partition, generation: Generation, record: Record
    ) -> None:
        """Apply, park or note one record in one generation.

        Raises:
            GapError: the live generation lacks what comes before.
            UnknownRevisionError: this code cannot fold the live generation.
        """
        event, order_id, number = record.content, record.order_id, generation.number
        if isinstance(event, Watermark):
            return
        if order_id is None:
            if generation is batch.lead:
                park(batch, partition, generation, record, error_of(record))
            return
        revision = self._revision_of(generation)
        if revision is None:
            batch.write.behind[number, order_id] = "of a revision that the projector does not have"
            return
        row = batch.found.orders[number].setdefault(order_id, OrderRow())
        version = event.version if order_id == event.order_id else None
        if version is not None and version <= row.version:
            note_reused_version(batch, partition, generation, record, row)
        elif (number, order_id) in batch.parked:
            batch.write.parked.append(parked(number, record, None))
            batch.write.waiting |= {(number, order_id)} & batch.found.parked
        elif isinstance(event, PublishedEvent):
            error = _fold(revision, generation, row, event)
            if error is None:
                batch.note_applied(partition, generation, record, row)
            else:
                park(batch, partition, generation, record, error)
        else:
            park(batch, partition, generation, record, error_of(record))

    def _revision_of(self, generation: Generation) -> Revision | None:
        revision = self.read_model.revisions.get(generation.revision)
        if revision is None and generation.is_live:
            raise UnknownRevisionError(
                f"generation {generation.number} of {self.projection} is of revision"
                f" {generation.revision}, which this code does not have"
            )
        return revision

    def _write(self, batch: Batch, partitions: list[Partition]) -> None:
        write = batch.write
        write.positions = [p.position() for p in partitions]
        write.watermarks = [mark for p in partitions for mark in p.marks()]
        live = {g.number for g in batch.found.generations if g.is_live}

        def refused(number: int, order_id: str, error: Exception) -> None:
            if number not in live:
                write.behind[number, order_id] = describe_error(error)
                return
            poison, *others = batch.changing[number, order_id]
            (partition,) = (p for p in partitions if p.number == poison.partition)
            batch.poisoned.append(Noted(partition, poison, error))
            # Before those that wait already.
            write.parked[:0] = [
                parked(number, poison, describe_error(error)),
                *(parked(number, other, None) for other in others),
            ]

        report_positions(self._store.write_all(write, refused))


def _fold(
    revision: Revision, generation: Generation, row: OrderRow, event: PublishedEvent
) -> Exception | None:
    """Apply the event to the row; return why that cannot be done, unless it is a live one's gap."""
    try:
        row.apply(revision, event)
    except MemoryError:
        raise
    except GapError as error:
        if generation.is_live:
            raise
        return error
    except Exception as error:  # noqa: BLE001 - whatever a fold does harms its own order only
        return error
    return None


@contextmanager
def _garbage_collection_paused() -> Iterator[None]:
    # A batch makes tens of thousands of objects and hardly a cycle: looking through them for
    # cycles takes a third of the time of decoding them.
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
