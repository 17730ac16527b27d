"""POST /orders/{order_id}/payments/{payment_id}/capture: money comes in on a payment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordering.command_side import CommandFunction
from ordering.domain.errors import (
    AMOUNT_EXCEEDS_OWED,
    ORDER_CANCELLED,
    PAYMENT_NOT_FOUND,
    Refusal,
    wrong_currency,
)
from ordering.domain.events import PaymentCaptured
from ordering.domain.sent import PositiveMoney
from ordering.domain.values import PartId, Value, round_to_currency

if TYPE_CHECKING:
    from datetime import datetime

    from ordering.domain.order import Order


class CapturePayment(Value):
    """Take money on an authorized payment: the amount, or all that may be taken."""

    payment_id: PartId
    amount: PositiveMoney | None = None


PAYMENT_DECLINED = Refusal("payment-declined", "The payment is declined; authorize another one.")
ALREADY_CAPTURED = Refusal("payment-already-captured", "All of the payment is captured already.")
EXCEEDS_AUTHORIZED = Refusal(
    "amount-exceeds-authorized", "That is more than what is authorized and not captured yet."
)
NOTHING_OWED = Refusal("nothing-owed", "The order is paid: nothing is owed.")


def decide(order: Order, command: CapturePayment, _at: datetime) -> list[PaymentCaptured] | Refusal:  # noqa: PLR0911 - one return per reason
    """Capture up to what is authorized, and never more than what is owed."""
    if command.amount is not None and command.amount.currency != order.currency:
        return wrong_currency("/amount", order.currency)
    payment = order.payment(command.payment_id)
    if payment is None:
        return PAYMENT_NOT_FOUND
    if order.is_cancelled:
        return ORDER_CANCELLED
    if payment.declined:
        return PAYMENT_DECLINED
    left, owed = payment.authorized - payment.captured, order.balance.owed
    if not left:
        return ALREADY_CAPTURED
    if not owed:
        return NOTHING_OWED
    amount = min(left, owed) if command.amount is None else command.amount.amount
    if amount > left:
        return EXCEEDS_AUTHORIZED
    if amount > owed:
        return AMOUNT_EXCEEDS_OWED
    return [
        PaymentCaptured(
            payment_id=command.payment_id, amount=round_to_currency(amount, order.currency)
        )
    ]


handler = CommandFunction(CapturePayment, decide)
