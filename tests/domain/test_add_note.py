"""Noting something about an order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from commands.add_note import AddNote, decide
from ordering.domain.events import NoteAdded
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
    from collections.abc import Sequence

    from ordering.domain.events import OrderEvent


@pasts(PLACED, (*PLACED, it_was_held()), IN_FULFILMENT, COMPLETED, RETURN_RECEIVED, CANCELLED)
def test_a_note_is_added_in_any_status_and_only_counted(past: Sequence[OrderEvent]) -> None:
    noted = given(*past).when(decide, AddNote(text="Call before noon."))
    noted.then(NoteAdded(text="Call before noon."))
    counted = {"note_count": 1, "note_bytes": 17}
    assert noted.order == given(*past).order.model_copy(update=counted)
