"""What goes wrong around a read model: something happens at a statement, a fold fails."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ordering.runtime.postgres import Database

if TYPE_CHECKING:
    from collections.abc import Callable

    from ordering.delivery.published import PublishedEvent
    from ordering.read_side.shapes import Document

    Fold = Callable[[Document | None, PublishedEvent], Document]


class KilledError(Exception):
    """The function's process was killed here."""


class BreakableDatabase(Database):
    """A connection on which something can happen around a statement."""

    def __init__(self, conninfo: str, on_connect: str = "") -> None:
        super().__init__(conninfo, "none", "test", on_connect=on_connect)
        self.statement = 0
        self.before: dict[int, Callable[[], None]] = {}
        self.after: dict[int, Callable[[], None]] = {}

    def _run(self, *asked: Any) -> Any:  # noqa: ANN401 - as Database._run
        self.statement += 1
        number = self.statement
        if (happen := self.before.pop(number, None)) is not None:
            happen()
        rows = super()._run(*asked)
        if (happen := self.after.pop(number, None)) is not None:
            happen()
        return rows

    def in_(self, statements: int) -> int:
        """Return the number of the statement after so many."""
        return self.statement + statements


@dataclass
class Poison:
    """Events that a fold cannot apply, until they are cured."""

    events: set[tuple[str, int]] = field(default_factory=set)

    def poisoned(self, fold: Fold) -> Fold:
        def poisoned_fold(document: Document | None, event: PublishedEvent) -> Document:
            if (event.order_id, event.version) in self.events:
                raise ValueError(f"poison: {event.order_id}/{event.version}")
            return fold(document, event)

        return poisoned_fold
