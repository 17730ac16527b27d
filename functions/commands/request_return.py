"""POST /orders/{order_id}/returns: items are to come back, within 30 days of delivery."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ordering.command_side import CommandFunction
from ordering.domain.errors import LINE_NOT_FOUND, Refusal
from ordering.domain.events import ReturnRequested
from ordering.domain.limits import (
    MAX_RETURN_TEXT_BYTES,
    MAX_RETURNED_ITEMS,
    MAX_RETURNS,
    are_too_long,
)
from ordering.domain.parts import RETURN_DAYS, ReturnItems
from ordering.domain.values import PartId, Value

if TYPE_CHECKING:
    from datetime import datetime

    from ordering.domain.order import Order
    from ordering.domain.parts import Line, Return


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
TOO_MANY_RETURNS = Refusal(
    "too-many-returns",
    f"An order has at most {MAX_RETURNS} returns, of {MAX_RETURNED_ITEMS:,} items in all;"
    " return more units in one.",
)
RETURN_TEXT_TOO_LONG = Refusal(
    "return-text-too-long",
    f"The reasons in an order's returns have at most {MAX_RETURN_TEXT_BYTES:,} bytes in all;"
    " shorten them.",
)


def decide(order: Order, command: RequestReturn, at: datetime) -> list[ReturnRequested] | Refusal:  # noqa: PLR0911 - one return per reason
    """Take delivered items that are in no other return; a repeated request changes nothing."""
    known = order.return_(command.return_id)
    if known is not None:
        return [] if known.items == command.items else RETURN_ID_REUSED
    reasons = [item.reason for part in order.returns for item in part.items]
    reasons += [item.reason for item in command.items]
    if len(order.returns) >= MAX_RETURNS or len(reasons) > MAX_RETURNED_ITEMS:
        return TOO_MANY_RETURNS
    if are_too_long(MAX_RETURN_TEXT_BYTES, reasons):
        return RETURN_TEXT_TOO_LONG
    for item in command.items:
        line = order.line(item.line_id)
        if line is None:
            return LINE_NOT_FOUND
        if item.quantity > line.delivered - sum(_units(part, line) for part in order.returns):
            return EXCEEDS_RETURNABLE
        if item.quantity > _returnable(order, line, at):
            return TOO_LATE
    return [
        ReturnRequested(return_id=command.return_id, items=command.items, requested_at=at),
    ]


def _units(part: Return, line: Line) -> int:
    """Count the units of a line that came back with a return, or may still."""
    items = part.items if part.is_open else part.received or ()
    return sum(item.quantity for item in items if item.line_id == line.line_id)


def _returnable(order: Order, line: Line, at: datetime) -> int:
    """Count the units of a line that were delivered in time and are in no return.

    Each return has taken, of the units that it could, those delivered first: their time is over
    first, so that most is left to the customer.
    """
    arrived = sorted(
        (shipment.delivered_at, item.quantity)
        for shipment in order.shipments
        if shipment.delivered_at
        for item in shipment.items
        if item.line_id == line.line_id
    )
    days = timedelta(days=RETURN_DAYS)
    for part in order.returns:
        units, left = _units(part, line), []
        for delivered_at, quantity in arrived:
            taken = min(units, quantity) if part.requested_at - delivered_at <= days else 0
            units -= taken
            left.append((delivered_at, quantity - taken))
        arrived = left
    return sum(quantity for delivered_at, quantity in arrived if at - delivered_at <= days)


handler = CommandFunction(RequestReturn, decide)
