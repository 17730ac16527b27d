"""POST /orders/{order_id}/notes: somebody notes something about the order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordering.command_side import CommandFunction
from ordering.events import NoteAdded
from ordering.values import Text2000, Value

if TYPE_CHECKING:
    from datetime import datetime

    from ordering.order import Order


class AddNote(Value):
    """Note something, at any time."""

    text: Text2000


def decide(_: Order, command: AddNote, _at: datetime) -> list[NoteAdded]:
    """Note it, always."""
    return [NoteAdded(text=command.text)]


handler = CommandFunction(AddNote, decide)
