"""POST /orders/{order_id}/confirm: from here on the lines are final and it can be paid."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ordering.command_side import CommandFunction
from ordering.domain.errors import (
    ALREADY_CONFIRMED,
    ORDER_CANCELLED,
    Forbidden,
    Invalid,
    Refusal,
)
from ordering.domain.events import OrderConfirmed
from ordering.domain.limits import MINUTES_AHEAD
from ordering.domain.sent import SentInstant
from ordering.domain.values import Value

if TYPE_CHECKING:
    from datetime import datetime

    from ordering.domain.order import Order
    from ordering.runtime.http import Principal


class ConfirmOrder(Value):
    """Confirm the order, now or, for an import, at the time at which it was."""

    confirmed_at: SentInstant | None = None


NOT_FOR_OTHERS = Forbidden("confirmed-at-not-allowed", "Only operators may send confirmed_at.")
NOT_THEN = Invalid(
    "invalid-request",
    "must not be before the order was placed, nor in the future, by more than"
    f" {MINUTES_AHEAD} minutes",
    ("/confirmed_at",),
)


def permit(command: ConfirmOrder, principal: Principal) -> Forbidden | None:
    """Only operators import orders that were confirmed in the past."""
    is_allowed = command.confirmed_at is None or principal.is_operator
    return None if is_allowed else NOT_FOR_OTHERS


def decide(order: Order, command: ConfirmOrder, at: datetime) -> list[OrderConfirmed] | Refusal:
    """Confirm a placed order, once."""
    if order.is_cancelled:
        return ORDER_CANCELLED
    if order.confirmed:
        return ALREADY_CONFIRMED
    then = command.confirmed_at
    if then and not order.placed_at <= then <= at + timedelta(minutes=MINUTES_AHEAD):
        return NOT_THEN
    return [OrderConfirmed(confirmed_at=then)]


handler = CommandFunction(ConfirmOrder, decide, permit=permit)
