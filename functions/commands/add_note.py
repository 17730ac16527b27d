"""POST /orders/{order_id}/notes: somebody notes something about the order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordering.command_side import CommandFunction
from ordering.domain.errors import Refusal
from ordering.domain.events import NoteAdded
from ordering.domain.limits import MAX_NOTE_TEXT_BYTES, MAX_NOTES, text_bytes
from ordering.domain.sent import SentLines2000
from ordering.domain.values import Value

if TYPE_CHECKING:
    from datetime import datetime

    from ordering.domain.order import Order


class AddNote(Value):
    """Note something, at any time."""

    text: SentLines2000


TOO_MANY_NOTES = Refusal(
    "too-many-notes",
    f"An order has at most {MAX_NOTES} notes, of {MAX_NOTE_TEXT_BYTES:,} bytes in all.",
)


def decide(order: Order, command: AddNote, _at: datetime) -> list[NoteAdded] | Refusal:
    """Note it in any status, while there is room for it."""
    if order.note_count >= MAX_NOTES:
        return TOO_MANY_NOTES
    if order.note_bytes + text_bytes(command.text) > MAX_NOTE_TEXT_BYTES:
        return TOO_MANY_NOTES
    return [NoteAdded(text=command.text)]


handler = CommandFunction(AddNote, decide)
