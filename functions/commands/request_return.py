"""POST /orders/{order_id}/returns: items are to come back, within 30 days of delivery."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ordering.command_side import CommandFunction
from ordering.errors import LINE_NOT_FOUND, Refusal
from ordering.events import ReturnRequested
from ordering.parts import RETURN_DAYS, ReturnItems
from ordering.values import PartId, Value

if TYPE_CHECKING:
    from datetime import datetime

    from ordering.order import Order


class RequestReturn(Value):
    """Ask to send items back, under the client's own id."""

    return_id: PartId
    items: ReturnItems


RETURN_ID_REUSED = Refusal(
    "return-id-reused", "The order has another return of this id; use a new id."
)
EXCEEDS_RETURNABLE = Refusal(
    "quantity-exceeds-returnable",
    "That is more than what is delivered and not in another return already.",
)
TOO_LATE = Refusal(
    "return-window-closed", f"Items can be returned within {RETURN_DAYS} days of their delivery."
)


def decide(order: Order, command: RequestReturn, at: datetime) -> list[ReturnRequested] | Refusal:
    """Take delivered items that are in no other return; a repeated request changes nothing."""
    known = order.return_(command.return_id)
    if known is not None:
        return [] if known.items == command.items else RETURN_ID_REUSED
    for item in command.items:
        line = order.line(item.line_id)
        if line is None:
            return LINE_NOT_FOUND
        if item.quantity > line.delivered - _in_returns(order, item.line_id):
            return EXCEEDS_RETURNABLE
        if item.quantity > _delivered_in_time(order, item.line_id, at):
            return TOO_LATE
    return [ReturnRequested(return_id=command.return_id, items=command.items)]


def _in_returns(order: Order, line_id: int) -> int:
    """Count the units of a line that came back, or may still."""
    received = next(line.returned for line in order.lines if line.line_id == line_id)
    return received + sum(
        item.quantity
        for part in order.returns
        if part.is_open
        for item in part.items
        if item.line_id == line_id
    )


def _delivered_in_time(order: Order, line_id: int, at: datetime) -> int:
    """Count the units of a line that were delivered at most 30 days before ``at``."""
    return sum(
        item.quantity
        for shipment in order.shipments
        if shipment.delivered_at and at - shipment.delivered_at <= timedelta(days=RETURN_DAYS)
        for item in shipment.items
        if item.line_id == line_id
    )


handler = CommandFunction(RequestReturn, decide)
