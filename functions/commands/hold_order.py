"""POST /orders/{order_id}/hold: an operator stops it, until all of it is shipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordering.command_side import CommandFunction
from ordering.domain.errors import ORDER_CANCELLED, Refusal
from ordering.domain.events import OrderHeld
from ordering.domain.sent import SentText500
from ordering.domain.values import Value

if TYPE_CHECKING:
    from datetime import datetime

    from ordering.domain.order import Order


class HoldOrder(Value):
    """Stop the order: nothing of it is shipped until it is released."""

    reason: SentText500


ALREADY_HELD = Refusal("order-already-held", "The order is held already.")
NOTHING_TO_HOLD = Refusal("nothing-to-ship", "All of the order is shipped; nothing can be held.")


def decide(order: Order, command: HoldOrder, _at: datetime) -> list[OrderHeld] | Refusal:
    """Hold an order of which something is still to ship."""
    if order.is_cancelled:
        return ORDER_CANCELLED
    if order.held:
        return ALREADY_HELD
    if not any(line.to_ship for line in order.lines):
        return NOTHING_TO_HOLD
    return [OrderHeld(reason=command.reason)]


handler = CommandFunction(HoldOrder, decide)
