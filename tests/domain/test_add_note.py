"""Noting something about an order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from commands.add_note import AddNote, decide
from ordering.domain.events import NoteAdded
from tests.callers import CUSTOMERS
from tests.domain.choices import AMOUNT
from tests.domain.fields import text
from tests.domain.vocabulary import (
    CANCELLED,
    COMPLETED,
    IN_FULFILMENT,
    PLACED,
    RETURN_RECEIVED,
    given,
    it_was_held,
    pasts,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordering.domain.events import OrderEvent
    from ordering.domain.order import Order
    from tests.domain.choices import Choice
    from tests.domain.fields import Field


CALLERS: Final = CUSTOMERS
SAMPLE: Final = {"text": "The customer asks for a morning delivery."}
FIELDS: Final[Mapping[str, Field]] = {"text": text(2000)}


def weight(order: Order) -> int:
    """Return how much more often than others this is asked of such an order."""
    return int(order.confirmed and not order.units.to_ship)


def choose_request(_: Order, choice: Choice) -> dict[str, Any]:
    """Return one of many requests for it, by the numbers of the choice."""
    return {"text": "n" * (2001 if choice.wrong == AMOUNT else 5)}


@pasts(PLACED, (*PLACED, it_was_held()), IN_FULFILMENT, COMPLETED, RETURN_RECEIVED, CANCELLED)
def test_a_note_is_added_in_any_status_and_only_counted(past: Sequence[OrderEvent]) -> None:
    noted = given(*past).when(decide, AddNote(text="Call before noon."))
    noted.then(NoteAdded(text="Call before noon."))
    counted = {"note_count": 1, "note_bytes": 17}
    assert noted.order == given(*past).order.model_copy(update=counted)
