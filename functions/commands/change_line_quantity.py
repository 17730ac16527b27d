"""PUT /orders/{order_id}/lines/{line_id}/quantity: more or fewer, until it is confirmed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordering.command_side import CommandFunction
from ordering.domain.errors import ALREADY_CONFIRMED, LINE_NOT_FOUND, ORDER_CANCELLED, Refusal
from ordering.domain.events import LineQuantityChanged
from ordering.domain.sent import LineIdInPath
from ordering.domain.values import Quantity, Value

if TYPE_CHECKING:
    from datetime import datetime

    from ordering.domain.order import Order


class ChangeLineQuantity(Value):
    """Order so many units of a line instead."""

    line_id: LineIdInPath
    quantity: Quantity


NOT_ABOVE_CANCELLED = Refusal(
    "quantity-not-above-cancelled",
    "Some units of the line are cancelled, and that is no more than those; cancel or remove it.",
)


def decide(
    order: Order, command: ChangeLineQuantity, _at: datetime
) -> list[LineQuantityChanged] | Refusal:
    """Change it to more than what is cancelled of it; the same quantity changes nothing."""
    if order.is_cancelled:
        return ORDER_CANCELLED
    if order.confirmed:
        return ALREADY_CONFIRMED
    line = order.line(command.line_id)
    if line is None:
        return LINE_NOT_FOUND
    if command.quantity <= line.cancelled:
        return NOT_ABOVE_CANCELLED
    if command.quantity == line.ordered:
        return []
    return [LineQuantityChanged(line_id=command.line_id, quantity=command.quantity)]


handler = CommandFunction(ChangeLineQuantity, decide)
