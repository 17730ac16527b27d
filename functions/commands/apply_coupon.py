"""PUT /orders/{order_id}/coupon: a coupon on the sum of the lines, until it is confirmed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from pydantic import ConfigDict, ModelWrapValidatorHandler, model_validator

from ordering.command_side import CommandFunction
from ordering.domain.errors import ALREADY_CONFIRMED, ORDER_CANCELLED, Refusal, wrong_currency
from ordering.domain.events import CouponApplied
from ordering.domain.parts import Coupon, not_one_of_both
from ordering.domain.sent import SentMoney, SentPercent, SentText64
from ordering.domain.validation import validate_with

if TYPE_CHECKING:
    from datetime import datetime

    from ordering.domain.order import Order


class ApplyCoupon(Coupon):
    """Use a coupon that takes off a percentage or an amount of the order's currency."""

    code: SentText64
    percent_off: SentPercent | None = None
    amount_off: SentMoney | None = None
    # The OpenAPI document has it as a choice between two schemas.
    model_config = ConfigDict(json_schema_extra={"x-exactly-one-of": ["percent_off", "amount_off"]})

    @model_validator(mode="wrap")
    @classmethod
    def _is_one_of_both(cls, sent: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:  # noqa: ANN401 - a validator sees whatever the client sent
        # Not the coupon's own validator: this one reports all findings together.
        return validate_with(sent, validate, not_one_of_both)


ANOTHER_COUPON = Refusal(
    "coupon-already-applied", "The order has another coupon; remove that one first."
)


def decide(order: Order, command: ApplyCoupon, _at: datetime) -> list[CouponApplied] | Refusal:
    """Apply it if the order has none; nothing happens if it has this one."""
    if order.is_cancelled:
        return ORDER_CANCELLED
    if order.confirmed:
        return ALREADY_CONFIRMED
    if command.amount_off is not None and command.amount_off.currency != order.currency:
        return wrong_currency("/amount_off", order.currency)
    coupon = Coupon(**command.model_dump())
    if order.coupon is not None:
        return [] if order.coupon == coupon else ANOTHER_COUPON
    return [CouponApplied(coupon=coupon)]


handler = CommandFunction(ApplyCoupon, decide)
