"""POST /orders/{order_id}/fulfilment: a warehouse begins to work on a paid order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordering.command_side import CommandFunction
from ordering.domain.errors import NOT_CONFIRMED, ORDER_CANCELLED, ORDER_HELD, Refusal
from ordering.domain.events import FulfilmentStarted
from ordering.domain.sent import SentText64
from ordering.domain.values import Value

if TYPE_CHECKING:
    from datetime import datetime

    from ordering.domain.order import Order


class StartFulfilment(Value):
    """Begin to pick and pack the order, in the warehouse named."""

    warehouse: SentText64 | None = None


ALREADY_IN_FULFILMENT = Refusal("order-already-in-fulfilment", "A warehouse works on it already.")
NOT_PAID = Refusal("order-not-paid", "The order is not paid in full; see what is owed.")


def decide(
    order: Order, command: StartFulfilment, _at: datetime
) -> list[FulfilmentStarted] | Refusal:
    """Start once, on an order that is confirmed, paid in full and not held."""
    if order.is_cancelled:
        return ORDER_CANCELLED
    if not order.confirmed:
        return NOT_CONFIRMED
    if order.in_fulfilment:
        return ALREADY_IN_FULFILMENT
    if order.held:
        return ORDER_HELD
    if order.balance.owed:
        return NOT_PAID
    return [FulfilmentStarted(warehouse=command.warehouse)]


handler = CommandFunction(StartFulfilment, decide)
