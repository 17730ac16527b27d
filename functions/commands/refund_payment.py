"""POST /orders/{order_id}/refunds: what is due goes back on a payment it was captured on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordering.command_side import CommandFunction
from ordering.domain.errors import PAYMENT_NOT_FOUND, Refusal, wrong_currency
from ordering.domain.events import PaymentRefunded
from ordering.domain.limits import MAX_REFUNDS
from ordering.domain.sent import PositiveMoney, SentText500
from ordering.domain.values import PartId, Value, round_to_currency

if TYPE_CHECKING:
    from datetime import datetime

    from ordering.domain.order import Order


class RefundPayment(Value):
    """Give money back on a payment, under the client's own id of the refund."""

    refund_id: PartId
    payment_id: PartId
    amount: PositiveMoney
    reason: SentText500


REFUND_ID_REUSED = Refusal(
    "refund-id-reused", "The order has another refund of this id; use a new id."
)
EXCEEDS_DUE = Refusal("amount-exceeds-due-back", "That is more than what is due back.")
EXCEEDS_CAPTURED = Refusal(
    "amount-exceeds-captured", "That is more than what was captured, and not refunded, on it."
)
TOO_MANY_REFUNDS = Refusal(
    "too-many-refunds", f"An order has at most {MAX_REFUNDS} refunds; refund all that is due."
)


def decide(order: Order, command: RefundPayment, _at: datetime) -> list[PaymentRefunded] | Refusal:  # noqa: PLR0911 - one return per reason
    """Refund up to what is due back and was captured on it; a repeated refund changes nothing."""
    if command.amount.currency != order.currency:
        return wrong_currency("/amount", order.currency)
    amount = round_to_currency(command.amount.amount, order.currency)
    refunded = PaymentRefunded(**{**dict(command), "amount": amount})
    known = order.refund(command.refund_id)
    if known is not None:
        return [] if dict(known) == dict(refunded) else REFUND_ID_REUSED
    payment = order.payment(command.payment_id)
    if payment is None:
        return PAYMENT_NOT_FOUND
    if len(order.refunds) >= MAX_REFUNDS:
        return TOO_MANY_REFUNDS
    if amount > order.balance.due_back:
        return EXCEEDS_DUE
    if amount > payment.captured - payment.refunded:
        return EXCEEDS_CAPTURED
    return [refunded]


handler = CommandFunction(RefundPayment, decide)
