"""Taking a coupon away."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from commands.remove_coupon import COUPON_NOT_FOUND, RemoveCoupon, decide
from ordering.domain.errors import ALREADY_CONFIRMED, ORDER_CANCELLED, Refusal
from ordering.domain.events import CouponApplied, CouponRemoved
from ordering.domain.parts import Coupon
from tests.callers import CUSTOMERS
from tests.domain.vocabulary import (
    CANCELLED,
    CONFIRMED,
    PLACED,
    TOTAL,
    given,
    it_was_confirmed,
    refusals,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordering.domain.events import OrderEvent
    from ordering.domain.order import Order
    from tests.domain.choices import Choice
    from tests.domain.fields import Field


CALLERS: Final = CUSTOMERS
SAMPLE: Final[dict[str, object]] = {}
SAMPLE_FOLLOWS: Final = "apply_coupon"
FIELDS: Final[Mapping[str, Field]] = {}


def weight(order: Order) -> int:
    """Return how much more often than others this is asked of such an order."""
    return int(not order.confirmed and order.coupon is not None)


def choose_request(_: Order, _choice: Choice) -> dict[str, Any]:
    """Return one of many requests for it, by the numbers of the choice."""
    return {}


WITH_COUPON = (*PLACED, CouponApplied(coupon=Coupon(code="TEN", percent_off=Decimal(10))))


def test_the_coupon_counts_no_more() -> None:
    removed = given(*WITH_COUPON).when(decide, RemoveCoupon())
    removed.then(CouponRemoved(code="TEN"))
    assert str(removed.order.totals.total) == TOTAL


@refusals(
    (PLACED, COUPON_NOT_FOUND),
    (CONFIRMED, ALREADY_CONFIRMED),
    ((*WITH_COUPON, it_was_confirmed()), ALREADY_CONFIRMED),
    (CANCELLED, ORDER_CANCELLED),
)
def test_it_is_refused_without_one_and_from_confirmation_on(
    past: Sequence[OrderEvent], refusal: Refusal
) -> None:
    given(*past).when(decide, RemoveCoupon()).then_refused(refusal)
