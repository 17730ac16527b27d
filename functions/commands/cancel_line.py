"""POST /orders/{order_id}/lines/{line_id}/cancel: units that are not shipped will not be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordering.command_side import CommandFunction
from ordering.domain.errors import EXCEEDS_REMAINING, LINE_NOT_FOUND, ORDER_CANCELLED, Refusal
from ordering.domain.events import LineCancelled
from ordering.domain.sent import LineIdInPath, SentText500
from ordering.domain.values import Quantity, Value

if TYPE_CHECKING:
    from datetime import datetime

    from ordering.domain.order import Order


class CancelLine(Value):
    """Call off so many units of a line."""

    line_id: LineIdInPath
    quantity: Quantity
    reason: SentText500


def decide(order: Order, command: CancelLine, _at: datetime) -> list[LineCancelled] | Refusal:
    """Cancel what is left of the line; what was paid for it becomes due back."""
    if order.is_cancelled:
        return ORDER_CANCELLED
    line = order.line(command.line_id)
    if line is None:
        return LINE_NOT_FOUND
    if command.quantity > line.to_ship:
        return EXCEEDS_REMAINING
    return [LineCancelled(**dict(command))]


handler = CommandFunction(CancelLine, decide)
