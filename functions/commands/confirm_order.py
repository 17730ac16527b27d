"""POST /orders/{order_id}/confirm: from here on the lines are final and it can be paid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordering.command_side import CommandFunction
from ordering.domain.errors import ALREADY_CONFIRMED, ORDER_CANCELLED, Refusal
from ordering.domain.events import OrderConfirmed
from ordering.domain.values import Value

if TYPE_CHECKING:
    from datetime import datetime

    from ordering.domain.order import Order


class ConfirmOrder(Value):
    """Confirm the order; there is nothing to say beside that."""


def decide(order: Order, _: ConfirmOrder, _at: datetime) -> list[OrderConfirmed] | Refusal:
    """Confirm a placed order, once."""
    if order.is_cancelled:
        return ORDER_CANCELLED
    if order.confirmed:
        return ALREADY_CONFIRMED
    return [OrderConfirmed()]


handler = CommandFunction(ConfirmOrder, decide)
