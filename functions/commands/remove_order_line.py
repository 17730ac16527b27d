"""DELETE /orders/{order_id}/lines/{line_id}: the line is taken out, until it is confirmed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordering.command_side import CommandFunction
from ordering.domain.errors import ALREADY_CONFIRMED, LINE_NOT_FOUND, ORDER_CANCELLED, Refusal
from ordering.domain.events import OrderLineRemoved
from ordering.domain.sent import LineIdInPath
from ordering.domain.values import Value

if TYPE_CHECKING:
    from datetime import datetime

    from ordering.domain.order import Order


class RemoveOrderLine(Value):
    """Take a line out of the order."""

    line_id: LineIdInPath


LAST_LINE = Refusal(
    "last-line", "No other line has anything left to order; cancel the order instead."
)


def decide(
    order: Order, command: RemoveOrderLine, _at: datetime
) -> list[OrderLineRemoved] | Refusal:
    """Remove it, unless nothing would be left of the order."""
    if order.is_cancelled:
        return ORDER_CANCELLED
    if order.confirmed:
        return ALREADY_CONFIRMED
    if order.line(command.line_id) is None:
        return LINE_NOT_FOUND
    if not any(line.kept for line in order.lines if line.line_id != command.line_id):
        return LAST_LINE
    return [OrderLineRemoved(line_id=command.line_id)]


handler = CommandFunction(RemoveOrderLine, decide)
