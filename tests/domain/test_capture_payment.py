"""Taking money on a payment."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import pytest

from commands.capture_payment import (
    ALREADY_CAPTURED,
    EXCEEDS_AUTHORIZED,
    NOTHING_OWED,
    PAYMENT_DECLINED,
    CapturePayment,
    decide,
)
from ordering.domain.errors import (
    AMOUNT_EXCEEDS_OWED,
    ORDER_CANCELLED,
    PAYMENT_NOT_FOUND,
    Refusal,
    wrong_currency,
)
from ordering.domain.sent import SentMoney
from tests.callers import CHECKOUT
from tests.domain.choices import open_for_capture
from tests.domain.fields import Money
from tests.domain.vocabulary import (
    AUTHORIZED,
    CONFIRMED,
    PAID,
    TOTAL,
    a_line_was_cancelled,
    a_payment_was_authorized,
    a_payment_was_captured,
    a_payment_was_declined,
    given,
    it_was_cancelled,
    refusals,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordering.domain.events import OrderEvent
    from ordering.domain.order import Order
    from tests.domain.choices import Choice
    from tests.domain.fields import Field


CALLERS: Final = CHECKOUT
SAMPLE: Final = {"payment_id": "pay-1", "amount": {"amount": "578.37", "currency": "EUR"}}
SAMPLE_FOLLOWS: Final = "authorize_payment"
FIELDS: Final[Mapping[str, Field]] = {"amount": Money(positive=True, optional=True)}


def weight(order: Order) -> int:
    """Money that is owed is taken soon."""
    is_open = any(open_for_capture(payment) for payment in order.payments)
    return 3 * (order.confirmed and is_open and order.balance.owed > 0)


def choose_request(order: Order, choice: Choice) -> dict[str, Any]:
    """Take all of a payment, or a part of what is owed."""
    payments = [p.payment_id for p in order.payments if choice.reaches(state=open_for_capture(p))]
    request: dict[str, Any] = {"payment_id": choice.part_id("pay", payments)}
    if choice.much % 2:
        request["amount"] = choice.part_of(order.balance.owed, order)
    return request


def capture(amount: str = "", currency: str = "EUR") -> CapturePayment:
    money = SentMoney(amount=Decimal(amount), currency=currency) if amount else None
    return CapturePayment(payment_id="pay-1", amount=money)


def test_all_of_a_payment_is_captured_and_the_order_is_paid() -> None:
    captured = given(*AUTHORIZED).when(decide, capture())
    captured.then(a_payment_was_captured())
    assert (captured.order.status, str(captured.order.balance.owed)) == ("paid", "0.00")


def test_a_part_is_captured_and_later_the_rest() -> None:
    part = given(*AUTHORIZED).when(decide, capture("78.37"))
    part.then(a_payment_was_captured(amount="78.37"))
    assert part.order.status == "part_paid"
    rest = given(*AUTHORIZED, a_payment_was_captured(amount="78.37")).when(decide, capture())
    rest.then(a_payment_was_captured(amount="500.00"))


def test_never_more_than_is_authorized() -> None:
    past = given(*CONFIRMED, a_payment_was_authorized(amount="100.00"))
    past.when(decide, capture("100.01")).then_refused(EXCEEDS_AUTHORIZED)
    past.when(decide, capture("100")).then(a_payment_was_captured(amount="100.00"))


def test_never_more_than_is_owed() -> None:
    # Three of fifteen jars are cancelled: 410.40, 28.73 of tax, 29.46 to ship.
    past = given(*AUTHORIZED, a_line_was_cancelled(3))
    past.when(decide, capture("468.60")).then_refused(AMOUNT_EXCEEDS_OWED)
    past.when(decide, capture()).then(a_payment_was_captured(amount="468.59"))
    paid = given(*AUTHORIZED, a_line_was_cancelled(3), a_payment_was_captured(amount="468.59"))
    paid.when(decide, capture()).then_refused(NOTHING_OWED)


@refusals(
    (CONFIRMED, PAYMENT_NOT_FOUND),
    (PAID, ALREADY_CAPTURED),
    ((*AUTHORIZED, a_payment_was_declined()), PAYMENT_DECLINED),
    ((*AUTHORIZED, it_was_cancelled()), ORDER_CANCELLED),
)
def test_it_is_refused_when_nothing_may_be_taken(
    past: Sequence[OrderEvent], refusal: Refusal
) -> None:
    given(*past).when(decide, capture()).then_refused(refusal)


@pytest.mark.parametrize("amount", ["1", TOTAL])
def test_it_is_in_the_orders_currency(amount: str) -> None:
    refused = given(*AUTHORIZED).when(decide, capture(amount, "USD"))
    refused.then_refused(wrong_currency("/amount", "EUR"))
