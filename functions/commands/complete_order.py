"""POST /orders/{order_id}/complete: all is delivered or cancelled, and nothing is open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordering.command_side import CommandFunction
from ordering.domain.errors import ORDER_CANCELLED, ORDER_HELD, Refusal
from ordering.domain.events import OrderCompleted
from ordering.domain.values import Value

if TYPE_CHECKING:
    from datetime import datetime

    from ordering.domain.order import Order


class CompleteOrder(Value):
    """Close the order; there is nothing to say beside that."""


ALREADY_COMPLETED = Refusal("order-already-completed", "The order is completed already.")
NOT_DELIVERED = Refusal(
    "order-not-delivered", "Something of the order is still to ship, or on its way."
)
RETURN_OPEN = Refusal("return-open", "A return waits for a decision or for its items.")
SOMETHING_OWED = Refusal("payment-due", "Something is owed; capture it first.")
REFUND_DUE = Refusal("refund-due", "Money is due back; refund it first.")


def decide(order: Order, _: CompleteOrder, _at: datetime) -> list[OrderCompleted] | Refusal:  # noqa: PLR0911 - one return per reason
    """Complete it once, when nothing is to ship, on its way, held, returning, owed or due back."""
    if order.is_cancelled:
        return ORDER_CANCELLED
    if order.completed:
        return ALREADY_COMPLETED
    if order.held:
        return ORDER_HELD
    if any(line.to_ship or line.shipped != line.delivered for line in order.lines):
        return NOT_DELIVERED
    if any(part.is_open for part in order.returns):
        return RETURN_OPEN
    if order.balance.owed:
        return SOMETHING_OWED
    if order.balance.due_back:
        return REFUND_DUE
    return [OrderCompleted()]


handler = CommandFunction(CompleteOrder, decide)
