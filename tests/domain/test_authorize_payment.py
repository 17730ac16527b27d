"""Promising a payment."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import pytest

from commands.authorize_payment import PAYMENT_ID_REUSED, AuthorizePayment, decide
from commands.capture_payment import CapturePayment
from commands.capture_payment import decide as capture
from ordering.domain.errors import (
    AMOUNT_EXCEEDS_OWED,
    NOT_CONFIRMED,
    ORDER_CANCELLED,
    Refusal,
    wrong_currency,
)
from ordering.domain.sent import SentMoney
from tests.callers import CHECKOUT
from tests.domain.fields import Money, PartId, text
from tests.domain.vocabulary import (
    AUTHORIZED,
    CANCELLED,
    CONFIRMED,
    DELIVERED,
    PAID,
    PLACED,
    TOTAL,
    a_payment_was_authorized,
    a_payment_was_captured,
    a_payment_was_declined,
    given,
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
    "payment_id": "pay-1",
    "method": "card",
    "amount": {"amount": "578.37", "currency": "EUR"},
}
SAMPLE_FOLLOWS: Final = "confirm_order"
FIELDS: Final[Mapping[str, Field]] = {
    "payment_id": PartId(),
    "method": text(64),
    "amount": Money(positive=True),
}


def weight(order: Order) -> int:
    """Return how much more often than others this is asked of such an order."""
    return 2 * (order.confirmed and order.to_authorize > 0)


def choose_request(order: Order, choice: Choice) -> dict[str, Any]:
    """Return one of many requests for it, by the numbers of the choice."""
    return {
        "payment_id": choice.new_id("pay", len(order.payments)),
        "method": "card",
        "amount": choice.part_of(order.to_authorize, order),
    }


def authorize(
    amount: str = TOTAL, payment_id: str = "pay-1", method: str = "card", currency: str = "EUR"
) -> AuthorizePayment:
    money = SentMoney(amount=Decimal(amount), currency=currency)
    return AuthorizePayment(payment_id=payment_id, method=method, amount=money)


@pytest.mark.parametrize("amount", ["0.01", "578.36", TOTAL])
def test_a_payment_is_authorized_up_to_what_is_owed(amount: str) -> None:
    authorized = given(*CONFIRMED).when(decide, authorize(amount))
    authorized.then(a_payment_was_authorized(amount=amount))
    assert str(authorized.order.balance.authorized) == amount
    assert str(authorized.order.balance.owed) == TOTAL


def test_no_cent_more_is_authorized() -> None:
    given(*CONFIRMED).when(decide, authorize("578.38")).then_refused(AMOUNT_EXCEEDS_OWED)


def test_several_payments_share_what_is_owed() -> None:
    past = given(*CONFIRMED, a_payment_was_authorized("pay-1", "500.00"))
    past.when(decide, authorize("78.38", "pay-2")).then_refused(AMOUNT_EXCEEDS_OWED)
    past.when(decide, authorize("78.37", "pay-2")).then(a_payment_was_authorized("pay-2", "78.37"))


def test_a_declined_payment_leaves_its_amount_to_others() -> None:
    past = given(*AUTHORIZED, a_payment_was_declined())
    past.when(decide, authorize(TOTAL, "pay-2")).then(a_payment_was_authorized("pay-2"))


def test_what_a_partly_captured_payment_has_left_is_open_to_others() -> None:
    past = given(*AUTHORIZED, a_payment_was_captured(amount="500.00"))
    past.when(decide, authorize("78.38", "pay-2")).then_refused(AMOUNT_EXCEEDS_OWED)
    authorized = past.when(decide, authorize("78.37", "pay-2"))
    authorized.then(a_payment_was_authorized("pay-2", "78.37"))
    # Whichever is captured then: never more than what is owed.
    both = given(*past.past, a_payment_was_authorized("pay-2", "78.37"))
    rest = CapturePayment(payment_id="pay-1")
    captured = both.when(capture, rest)
    captured.then(a_payment_was_captured(amount="78.37"))
    assert captured.order.balance.owed == 0
    both.when(decide, authorize("0.01", "pay-3")).then_refused(AMOUNT_EXCEEDS_OWED)


def test_the_same_payment_again_changes_nothing() -> None:
    given(*AUTHORIZED).when(decide, authorize()).then_nothing()
    given(*PAID).when(decide, authorize()).then_nothing()


@pytest.mark.parametrize("other", [authorize("1"), authorize(method="cash")])
def test_an_id_names_one_payment(other: AuthorizePayment) -> None:
    given(*AUTHORIZED).when(decide, other).then_refused(PAYMENT_ID_REUSED)


@refusals(
    (PLACED, NOT_CONFIRMED),
    (AUTHORIZED, AMOUNT_EXCEEDS_OWED),
    (PAID, AMOUNT_EXCEEDS_OWED),
    (DELIVERED, AMOUNT_EXCEEDS_OWED),
    (CANCELLED, ORDER_CANCELLED),
)
def test_it_is_refused_when_nothing_is_to_be_promised(
    past: Sequence[OrderEvent], refusal: Refusal
) -> None:
    given(*past).when(decide, authorize("0.01", "pay-2")).then_refused(refusal)


def test_it_is_in_the_orders_currency() -> None:
    refused = given(*CONFIRMED).when(decide, authorize(currency="USD"))
    refused.then_refused(wrong_currency("/amount", "EUR"))
