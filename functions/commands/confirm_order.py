"""POST /orders/{order_id}/confirm: from here on the lines are final and the order can be paid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordering.command_side import CommandFunction
from ordering.errors import Refusal
from ordering.events import OrderConfirmed
from ordering.order import status_of
from ordering.values import Value

if TYPE_CHECKING:
    from datetime import datetime

    from ordering.order import Order


class ConfirmOrder(Value):
    """Confirm the order; there is nothing to say beside that."""


ALREADY_CONFIRMED = Refusal("order-already-confirmed", "The order is confirmed already.")
CANCELLED = Refusal("order-cancelled", "The order is cancelled; place a new one.")


def decide(order: Order, _: ConfirmOrder, _at: datetime) -> list[OrderConfirmed] | Refusal:
    """Confirm a placed order, once."""
    if order.cancelled:
        return CANCELLED
    if order.confirmed:
        return ALREADY_CONFIRMED
    return [
        OrderConfirmed(
            customer_id=order.customer_id, status=status_of(confirmed=True, cancelled=False)
        )
    ]


handler = CommandFunction(ConfirmOrder, decide)
