"""POST /orders/{order_id}/payments/{payment_id}/decline: an uncaptured payment is withdrawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordering.command_side import CommandFunction
from ordering.domain.errors import PAYMENT_NOT_FOUND, Refusal
from ordering.domain.events import PaymentDeclined
from ordering.domain.sent import SentText500
from ordering.domain.values import PartId, Value

if TYPE_CHECKING:
    from datetime import datetime

    from ordering.domain.order import Order


class DeclinePayment(Value):
    """Withdraw an authorized payment."""

    payment_id: PartId
    reason: SentText500


ALREADY_DECLINED = Refusal("payment-already-declined", "The payment is declined already.")
PAYMENT_CAPTURED = Refusal(
    "payment-already-captured", "Something of the payment is captured; refund what is due back."
)


def decide(order: Order, command: DeclinePayment, _at: datetime) -> list[PaymentDeclined] | Refusal:
    """Decline it while nothing of it is captured."""
    payment = order.payment(command.payment_id)
    if payment is None:
        return PAYMENT_NOT_FOUND
    if payment.declined:
        return ALREADY_DECLINED
    if payment.captured:
        return PAYMENT_CAPTURED
    return [PaymentDeclined(payment_id=command.payment_id, reason=command.reason)]


handler = CommandFunction(DeclinePayment, decide)
