"""Giving money back."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import pytest

from commands.refund_payment import (
    EXCEEDS_CAPTURED,
    EXCEEDS_DUE,
    REFUND_ID_REUSED,
    RefundPayment,
    decide,
)
from ordering.domain.errors import PAYMENT_NOT_FOUND, Refusal, wrong_currency
from ordering.domain.sent import SentMoney
from tests.callers import CHECKOUT
from tests.domain.fields import Money, PartId, text
from tests.domain.vocabulary import (
    AUTHORIZED,
    CONFIRMED,
    DELIVERED,
    PAID,
    RETURN_RECEIVED,
    a_payment_was_authorized,
    a_payment_was_captured,
    a_payment_was_refunded,
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
SAMPLE: Final = {
    "refund_id": "refund-1",
    "payment_id": "pay-1",
    "amount": {"amount": "73.19", "currency": "EUR"},
    "reason": "two jars came back",
}
SAMPLE_FOLLOWS: Final = "receive_return"
FIELDS: Final[Mapping[str, Field]] = {
    "refund_id": PartId(),
    "payment_id": PartId(),
    "amount": Money(positive=True),
    "reason": text(500),
}


def weight(order: Order) -> int:
    """Return how much more often than others this is asked of such an order."""
    return 3 * (order.confirmed and order.balance.due_back > 0)


def choose_request(order: Order, choice: Choice) -> dict[str, Any]:
    """Return one of many requests for it, by the numbers of the choice."""
    return {
        "refund_id": choice.new_id("ref", len(order.refunds)),
        "payment_id": choice.part_id(
            "pay",
            [p.payment_id for p in order.payments if choice.reaches(state=p.captured > p.refunded)],
        ),
        "amount": choice.part_of(order.balance.due_back, order),
        "reason": "a reason",
    }


def refund(
    amount: str = "73.19",
    refund_id: str = "refund-1",
    payment_id: str = "pay-1",
    currency: str = "EUR",
) -> RefundPayment:
    return RefundPayment(
        refund_id=refund_id,
        payment_id=payment_id,
        amount=SentMoney(amount=Decimal(amount), currency=currency),
        reason="two jars came back",
    )


def test_what_is_due_goes_back() -> None:
    refunded = given(*RETURN_RECEIVED).when(decide, refund())
    refunded.then(a_payment_was_refunded("73.19"))
    balance = refunded.order.balance
    assert (str(balance.due_back), str(balance.refunded)) == ("0.00", "73.19")


def test_a_part_of_it_and_later_the_rest() -> None:
    given(*RETURN_RECEIVED).when(decide, refund("73.20")).then_refused(EXCEEDS_DUE)
    past = given(*RETURN_RECEIVED, a_payment_was_refunded("50.00"))
    past.when(decide, refund("23.20", "refund-2")).then_refused(EXCEEDS_DUE)
    rest = past.when(decide, refund("23.19", "refund-2"))
    rest.then(a_payment_was_refunded("23.19", "refund-2"))
    assert rest.order.status == "part_returned"


def test_never_more_than_was_captured_on_that_payment() -> None:
    past = given(
        *CONFIRMED,
        a_payment_was_authorized("pay-1", "78.37"),
        a_payment_was_captured("pay-1", "78.37"),
        a_payment_was_authorized("pay-2", "500.00"),
        a_payment_was_captured("pay-2", "500.00"),
        it_was_cancelled(),
    )
    past.when(decide, refund("78.38")).then_refused(EXCEEDS_CAPTURED)
    past.when(decide, refund("78.37")).then(a_payment_was_refunded("78.37"))


def test_the_same_refund_again_changes_nothing() -> None:
    past = given(*RETURN_RECEIVED, a_payment_was_refunded("73.19"))
    past.when(decide, refund()).then_nothing()


@pytest.mark.parametrize("other", [refund("1"), refund(payment_id="pay-2")])
def test_an_id_names_one_refund(other: RefundPayment) -> None:
    past = given(*RETURN_RECEIVED, a_payment_was_refunded("73.19"))
    past.when(decide, other).then_refused(REFUND_ID_REUSED)


@refusals(
    (CONFIRMED, PAYMENT_NOT_FOUND),
    (AUTHORIZED, EXCEEDS_DUE),
    (PAID, EXCEEDS_DUE),
    (DELIVERED, EXCEEDS_DUE),
)
def test_nothing_goes_back_that_is_not_due(past: Sequence[OrderEvent], refusal: Refusal) -> None:
    given(*past).when(decide, refund("0.01")).then_refused(refusal)


def test_it_is_in_the_orders_currency() -> None:
    refused = given(*RETURN_RECEIVED).when(decide, refund(currency="USD"))
    refused.then_refused(wrong_currency("/amount", "EUR"))
