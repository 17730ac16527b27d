"""POST /orders/{order_id}/cancel: the whole order is called off before anything is shipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordering.command_side import CommandFunction
from ordering.domain.errors import ALREADY_SHIPPED, Refusal
from ordering.domain.events import OrderCancelled
from ordering.domain.sent import SentText500
from ordering.domain.values import Value

if TYPE_CHECKING:
    from datetime import datetime

    from ordering.domain.order import Order


class CancelOrder(Value):
    """Cancel the order, with the reason in the caller's words."""

    reason: SentText500


ALREADY_CANCELLED = Refusal("order-already-cancelled", "The order is cancelled already.")


def decide(order: Order, command: CancelOrder, _at: datetime) -> list[OrderCancelled] | Refusal:
    """Cancel an order of which nothing is shipped, once; what was captured becomes due back."""
    if order.is_cancelled:
        return ALREADY_CANCELLED
    if order.is_shipped_from:
        return ALREADY_SHIPPED
    return [OrderCancelled(reason=command.reason)]


handler = CommandFunction(CancelOrder, decide)
