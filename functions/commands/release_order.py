"""POST /orders/{order_id}/release: an operator lets a held order go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordering.command_side import CommandFunction
from ordering.domain.errors import Refusal
from ordering.domain.events import OrderReleased
from ordering.domain.values import Value

if TYPE_CHECKING:
    from datetime import datetime

    from ordering.domain.order import Order


class ReleaseOrder(Value):
    """Release the order; the command has no fields."""


NOT_HELD = Refusal("order-not-held", "The order is not held.")


def decide(order: Order, _: ReleaseOrder, _at: datetime) -> list[OrderReleased] | Refusal:
    """Release a held order."""
    return [OrderReleased()] if order.held else NOT_HELD


handler = CommandFunction(ReleaseOrder, decide)
