"""Withdrawing a payment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from commands.decline_payment import (
    ALREADY_DECLINED,
    PAYMENT_CAPTURED,
    DeclinePayment,
    decide,
)
from ordering.domain.errors import PAYMENT_NOT_FOUND, Refusal
from tests.domain.vocabulary import (
    AUTHORIZED,
    CONFIRMED,
    PAID,
    TOTAL,
    a_payment_was_captured,
    a_payment_was_declined,
    given,
    it_was_cancelled,
    pasts,
    refusals,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ordering.domain.events import OrderEvent

DECLINE = DeclinePayment(payment_id="pay-1", reason="the card has expired")


@pasts(AUTHORIZED, (*AUTHORIZED, it_was_cancelled()))
def test_an_authorized_payment_is_declined(past: Sequence[OrderEvent]) -> None:
    declined = given(*past).when(decide, DECLINE)
    declined.then(a_payment_was_declined())
    assert str(declined.order.balance.authorized) == "0.00"


def test_all_of_it_can_be_promised_anew() -> None:
    assert str(given(*AUTHORIZED).when(decide, DECLINE).order.to_authorize) == TOTAL


@refusals(
    (CONFIRMED, PAYMENT_NOT_FOUND),
    ((*AUTHORIZED, a_payment_was_declined()), ALREADY_DECLINED),
    ((*AUTHORIZED, a_payment_was_captured(amount="0.01")), PAYMENT_CAPTURED),
    (PAID, PAYMENT_CAPTURED),
)
def test_it_is_refused_once_money_came_in(past: Sequence[OrderEvent], refusal: Refusal) -> None:
    given(*past).when(decide, DECLINE).then_refused(refusal)
