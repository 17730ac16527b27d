"""Withdrawing a payment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from commands.decline_payment import (
    ALREADY_DECLINED,
    PAYMENT_CAPTURED,
    DeclinePayment,
    decide,
)
from ordering.domain.errors import PAYMENT_NOT_FOUND, Refusal
from tests.callers import CHECKOUT
from tests.domain.choices import money
from tests.domain.fields import text
from tests.domain.life import order_to_place
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
    from collections.abc import Mapping, Sequence

    from ordering.domain.events import OrderEvent
    from ordering.domain.order import Order
    from tests.domain.choices import Choice
    from tests.domain.fields import Field


CALLERS: Final = CHECKOUT
SAMPLE: Final = {"payment_id": "pay-1", "reason": "the card has expired"}
SAMPLE_FOLLOWS: Final = "authorize_payment"
FIELDS: Final[Mapping[str, Field]] = {"reason": text(500)}
LINES: Final = order_to_place("EUR", [(3, 1000, 0), (3, 0, 0)], 0)
PAYMENT: Final = {"payment_id": "p", "method": "card", "amount": money(3050, "EUR")}
NOTHING_OWED: Final[Sequence[tuple[str, dict[str, Any]]]] = (
    ("place_order", LINES),
    ("confirm_order", {}),
    ("authorize_payment", PAYMENT),
    ("cancel_line", {"line_id": "1", "quantity": 3, "reason": "a reason"}),
    ("start_fulfilment", {}),
)
"""What is left costs nothing: the payment stays open."""


def sent_back(line_id: int, quantity: int) -> Sequence[tuple[str, dict[str, Any]]]:
    """Return the commands by which units are shipped, delivered and sent back."""
    items = [{"line_id": line_id, "quantity": quantity}]
    return (
        ("ship_items", {"shipment_id": "s", "carrier": "DHL", "items": items}),
        ("deliver_shipment", {"shipment_id": "s"}),
        ("request_return", {"return_id": "r", "items": [{**items[0], "reason": "a reason"}]}),
        ("approve_return", {"return_id": "r"}),
        ("receive_return", {"return_id": "r"}),
    )


RARE_LIVES: Final = (
    (*NOTHING_OWED, *sent_back(2, 1)),
    (*NOTHING_OWED, *sent_back(2, 3)),
    (*NOTHING_OWED, *sent_back(2, 3)[:2], ("complete_order", {})),
    # One payment pays for what is left, the other one stays open.
    (
        ("place_order", LINES),
        ("confirm_order", {}),
        ("authorize_payment", {**PAYMENT, "amount": money(2100, "EUR")}),
        ("authorize_payment", {**PAYMENT, "payment_id": "q", "amount": money(900, "EUR")}),
        ("cancel_line", {"line_id": "1", "quantity": 1, "reason": "a reason"}),
        ("cancel_line", {"line_id": "2", "quantity": 3, "reason": "a reason"}),
        ("capture_payment", {"payment_id": "p"}),
        ("start_fulfilment", {}),
        *sent_back(1, 2),
        (
            "refund_payment",
            {"refund_id": "f", "payment_id": "p", "amount": money(2033, "EUR"), "reason": "r"},
        ),
    ),
)


def weight(_: Order) -> int:
    """Return how much more often than others this is asked of such an order."""
    return 0


def choose_request(order: Order, choice: Choice) -> dict[str, Any]:
    """Return one of many requests for it, by the numbers of the choice."""
    return {
        "payment_id": choice.part_id(
            "pay",
            [p.payment_id for p in order.payments if choice.reaches(state=not p.captured)],
        ),
        "reason": "a reason",
    }


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
