"""A read model's fold over one order's events, whoever brings them. Pure; knows nothing of Kafka.

The projection loop, the fill, verify and repair all apply events here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from .shapes import ROWS, Change

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime

    from ordering.delivery.published import PublishedEvent

    from .log import LoggedEvent
    from .shapes import Document, Shape


class GapError(Exception):
    """An event came before the one it follows: the source has to bring the earlier one first."""


class Revision(NamedTuple):
    """What one revision of a read model is: its fold, and the shape of what is kept."""

    fold: Callable[[Document | None, PublishedEvent], Document]
    shape: Shape


@dataclass(frozen=True)
class ReadModel:
    """A read model: its name, and its revisions by their numbers, the newest of which is built.

    A generation is of one revision. While one of an earlier revision is live or followed, its fold
    stays here.
    """

    name: str
    revisions: Mapping[int, Revision]

    @property
    def newest(self) -> int:
        """The revision that a new generation is of."""
        return max(self.revisions)


@dataclass
class OrderRow:
    """One order in one generation: what was read of it, and what events have made of it since."""

    version: int = 0
    stamp: str | None = None
    """Which writing of the row was read; None: there is no row."""
    document: Document | None = None
    last_event_time: datetime | None = None
    """Of all events applied the latest time; None: not known."""
    before: Document | None = None
    """The document that was read."""
    rows: dict[Any, Document | None] = field(default_factory=dict)
    replaces: bool = False

    def apply(self, revision: Revision, event: PublishedEvent) -> None:
        """Apply the order's next event.

        Raises:
            GapError: it is not the next.
            Exception: whatever the fold raises; the row is unchanged then.
        """
        if event.version != self.version + 1:
            raise GapError(f"version {event.version} came after {self.version}")
        document = revision.fold(self.document, event)
        self.rows.update(document.get(ROWS, ()))
        self.document = revision.shape.stored(document)
        self.skip(event.version, event.time)

    def skip(self, version: int, time: datetime) -> None:
        """Count a version as applied that changes nothing, since its event was discarded."""
        self.version = version
        # The greatest, not the last: the write side's clock may have been set back in between.
        known = self.last_event_time
        self.last_event_time = time if known is None else max(known, time)

    def is_reused_by(self, event: PublishedEvent) -> bool:
        """Return whether an event is no repeat, though its version is applied."""
        latest = self.last_event_time
        return event.version <= self.version and latest is not None and event.time > latest

    @property
    def change(self) -> Change:
        """What becomes of the row."""
        return Change(self.before, self.document, self.rows, self.replaces)

    def anew(self) -> OrderRow:
        """Return the row as it is before its first event, to be written in this one's place."""
        return OrderRow(stamp=self.stamp, before=self.before, replaces=True)


class Failure(NamedTuple):
    """The event at which an order's fold ended, counted from 0, and why."""

    position: int
    error: Exception


def fold_all(
    row: OrderRow,
    revision: Revision,
    events: Sequence[LoggedEvent],
    discarded: Collection[int] = (),
) -> Failure | None:
    """Apply all of an order's events, but those whose versions were discarded, from its first on.

    Returns:
        What ended it early, if anything did; the row then has what came before.
    """
    for index, event in enumerate(events):
        try:
            if event.version in discarded:
                row.skip(event.version, event.time)
            else:
                row.apply(revision, event.read())
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a fold does harms its own order only
            return Failure(index, error)
    return None
