"""POST /orders/{order_id}/payments: a payment is promised, up to what is still owed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordering.command_side import CommandFunction
from ordering.domain.errors import (
    AMOUNT_EXCEEDS_OWED,
    NOT_CONFIRMED,
    ORDER_CANCELLED,
    Refusal,
    wrong_currency,
)
from ordering.domain.events import PaymentAuthorized
from ordering.domain.limits import MAX_PAYMENTS
from ordering.domain.sent import PositiveMoney, SentText64
from ordering.domain.values import PartId, Value, round_to_currency

if TYPE_CHECKING:
    from datetime import datetime

    from ordering.domain.order import Order


class AuthorizePayment(Value):
    """Promise a payment under the client's own id, such as the payment provider's."""

    payment_id: PartId
    method: SentText64
    amount: PositiveMoney


PAYMENT_ID_REUSED = Refusal(
    "payment-id-reused", "The order has another payment of this id; use a new id."
)
TOO_MANY_PAYMENTS = Refusal(
    "too-many-payments", f"An order has at most {MAX_PAYMENTS} payments, with those declined."
)


def decide(  # noqa: PLR0911 - one return per reason
    order: Order, command: AuthorizePayment, _at: datetime
) -> list[PaymentAuthorized] | Refusal:
    """Take it up to what no other payment was promised for; a repeated one changes nothing."""
    if command.amount.currency != order.currency:
        return wrong_currency("/amount", order.currency)
    amount = command.amount.amount
    known = order.payment(command.payment_id)
    if known is not None:
        is_same = (known.method, known.authorized) == (command.method, amount)
        return [] if is_same else PAYMENT_ID_REUSED
    if order.is_cancelled:
        return ORDER_CANCELLED
    if not order.confirmed:
        return NOT_CONFIRMED
    if len(order.payments) >= MAX_PAYMENTS:
        return TOO_MANY_PAYMENTS
    if amount > order.to_authorize:
        return AMOUNT_EXCEEDS_OWED
    return [
        PaymentAuthorized(
            payment_id=command.payment_id,
            method=command.method,
            amount=round_to_currency(amount, order.currency),
        )
    ]


handler = CommandFunction(AuthorizePayment, decide)
