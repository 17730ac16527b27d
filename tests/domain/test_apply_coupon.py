"""Using a coupon."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import pytest
from pydantic import ValidationError

from commands.apply_coupon import ANOTHER_COUPON, ApplyCoupon, decide
from ordering.domain.errors import ALREADY_CONFIRMED, ORDER_CANCELLED, Refusal, wrong_currency
from ordering.domain.events import CouponApplied
from ordering.domain.parts import Coupon
from ordering.domain.sent import SentMoney
from ordering.runtime.findings import findings
from tests.callers import CHECKOUT
from tests.domain.choices import money
from tests.domain.fields import Money, Percentage, text
from tests.domain.vocabulary import CANCELLED, CONFIRMED, PLACED, given, refusals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordering.domain.events import OrderEvent
    from ordering.domain.order import Order
    from tests.domain.choices import Choice
    from tests.domain.fields import Field


CALLERS: Final = CHECKOUT
SAMPLE: Final = {"code": "WELCOME", "percent_off": "10"}
FIELDS: Final[Mapping[str, Field]] = {
    "code": text(64),
    "percent_off": Percentage(),
    "amount_off": Money(null_has_a_meaning=True),
}


def weight(order: Order) -> int:
    """Return how much more often than others this is asked of such an order."""
    return int(not order.confirmed and order.coupon is None)


def choose_request(order: Order, choice: Choice) -> dict[str, Any]:
    """Take off a share, or an amount."""
    off: dict[str, Any] = {"percent_off": str(choice.much * 12.5)}
    if choice.which % 2 == 0:
        off = {"amount_off": money(choice.much * 500, choice.currency(order))}
    return {"code": f"C{choice.which % 2}", **off}


TEN_PERCENT = ApplyCoupon(code="TEN", percent_off=Decimal(10))
APPLIED = CouponApplied(coupon=Coupon(code="TEN", percent_off=Decimal(10)))


def off(amount: str, currency: str = "EUR") -> ApplyCoupon:
    return ApplyCoupon(code="OFF", amount_off=SentMoney(amount=Decimal(amount), currency=currency))


def test_a_percentage_comes_off_the_sum_of_the_lines() -> None:
    applied = given(*PLACED).when(decide, TEN_PERCENT)
    applied.then(APPLIED)
    totals = applied.order.totals
    # 10 % of 513.00; tax: 7 % of 461.70
    assert (str(totals.discount), str(totals.tax)) == ("51.30", "32.32")
    assert str(totals.total) == "523.48"


@pytest.mark.parametrize(
    ("amount", "discount"), [("20", "20.00"), ("513", "513.00"), ("600", "513.00")]
)
def test_an_amount_comes_off_but_never_more_than_the_lines(amount: str, discount: str) -> None:
    totals = given(*PLACED).when(decide, off(amount)).order.totals
    assert str(totals.discount) == discount


def test_there_is_one_coupon_at_a_time() -> None:
    past = given(*PLACED, APPLIED)
    past.when(decide, off("20")).then_refused(ANOTHER_COUPON)
    past.when(decide, TEN_PERCENT).then_nothing()


@refusals((CONFIRMED, ALREADY_CONFIRMED), (CANCELLED, ORDER_CANCELLED))
def test_it_is_refused_from_confirmation_on(past: Sequence[OrderEvent], refusal: Refusal) -> None:
    given(*past).when(decide, TEN_PERCENT).then_refused(refusal)


def test_an_amount_is_in_the_orders_currency() -> None:
    refused = given(*PLACED).when(decide, off("20", "USD"))
    refused.then_refused(wrong_currency("/amount_off", "EUR"))


@pytest.mark.parametrize(
    "both_or_none", [{}, {"percent_off": "5", "amount_off": {"amount": "5", "currency": "EUR"}}]
)
def test_it_takes_off_a_percentage_or_an_amount(both_or_none: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="exactly one"):
        ApplyCoupon.model_validate({"code": "C", **both_or_none})


@pytest.mark.parametrize(
    "both_or_none", [{}, {"percent_off": "5", "amount_off": {"amount": "5", "currency": "EUR"}}]
)
def test_neither_or_both_is_told_with_what_else_is_wrong(both_or_none: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as caught:
        ApplyCoupon.model_validate({"code": "", "surprise": 1, **both_or_none})
    assert {finding["pointer"] for finding in findings(caught.value)} == {
        "/code",
        "/surprise",
        "/percent_off",
        "/amount_off",
    }
