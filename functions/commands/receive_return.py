"""POST /orders/{order_id}/returns/{return_id}/receive: the items of a return came back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordering.command_side import CommandFunction
from ordering.domain.errors import LINE_NOT_FOUND, RETURN_NOT_FOUND, Refusal
from ordering.domain.events import ReturnReceived
from ordering.domain.parts import ReceivedItem, ReceivedItems
from ordering.domain.values import PartId, Value

if TYPE_CHECKING:
    from datetime import datetime

    from ordering.domain.order import Order


class ReceiveReturn(Value):
    """Report what came of an approved return: the items named, none if empty, or all of it."""

    return_id: PartId
    items: ReceivedItems | None = None


ALREADY_RECEIVED = Refusal("return-already-received", "The return was received already.")
NOT_APPROVED = Refusal("return-not-approved", "The return is not approved.")
EXCEEDS_RETURN = Refusal(
    "quantity-exceeds-return", "That is more of a line than the return was approved for."
)


def decide(order: Order, command: ReceiveReturn, _at: datetime) -> list[ReturnReceived] | Refusal:
    """Receive it once: at most what was approved; what was paid for it becomes due back."""
    asked = order.return_(command.return_id)
    if asked is None:
        return RETURN_NOT_FOUND
    if asked.state == "received":
        return ALREADY_RECEIVED
    if asked.state != "approved":
        return NOT_APPROVED
    approved = {item.line_id: item.quantity for item in asked.items}
    items = command.items
    if items is None:
        items = tuple(
            ReceivedItem(line_id=line, quantity=units) for line, units in approved.items()
        )
    for item in items:
        if order.line(item.line_id) is None:
            return LINE_NOT_FOUND
        if item.line_id not in approved or item.quantity > approved[item.line_id]:
            return EXCEEDS_RETURN
    return [ReturnReceived(return_id=command.return_id, items=items)]


handler = CommandFunction(ReceiveReturn, decide)
