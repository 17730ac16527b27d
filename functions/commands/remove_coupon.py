"""DELETE /orders/{order_id}/coupon: the coupon counts no more, until it is confirmed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordering.command_side import CommandFunction
from ordering.domain.errors import ALREADY_CONFIRMED, ORDER_CANCELLED, NotFound, Refusal
from ordering.domain.events import CouponRemoved
from ordering.domain.values import Value

if TYPE_CHECKING:
    from datetime import datetime

    from ordering.domain.order import Order


class RemoveCoupon(Value):
    """Remove the coupon; the command has no fields."""


COUPON_NOT_FOUND = NotFound("coupon-not-found", "The order has no coupon.")


def decide(order: Order, _: RemoveCoupon, _at: datetime) -> list[CouponRemoved] | Refusal:
    """Remove the order's coupon."""
    if order.is_cancelled:
        return ORDER_CANCELLED
    if order.confirmed:
        return ALREADY_CONFIRMED
    if order.coupon is None:
        return COUPON_NOT_FOUND
    return [CouponRemoved(code=order.coupon.code)]


handler = CommandFunction(RemoveCoupon, decide)
