"""Closing an order."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from commands.complete_order import (
    ALREADY_COMPLETED,
    NOT_DELIVERED,
    REFUND_DUE,
    RETURN_OPEN,
    SOMETHING_OWED,
    CompleteOrder,
    decide,
)
from ordering.domain.errors import ORDER_CANCELLED, ORDER_HELD, Refusal
from ordering.domain.events import CouponApplied
from ordering.domain.parts import Coupon, Line
from ordering.domain.pricing import price_line
from tests.callers import OPERATORS
from tests.domain.vocabulary import (
    CANCELLED,
    COMPLETED,
    DELIVERED,
    IN_FULFILMENT,
    PAID,
    PLACED,
    RETURN_APPROVED,
    RETURN_RECEIVED,
    RETURN_REQUESTED,
    SHIPPED,
    a_line_was_cancelled,
    a_payment_was_authorized,
    a_payment_was_captured,
    a_payment_was_refunded,
    a_return_was_rejected,
    a_shipment_was_delivered,
    an_order_was_placed,
    fulfilment_was_started,
    given,
    it_was_completed,
    it_was_confirmed,
    it_was_held,
    items_were_shipped,
    pasts,
    refusals,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordering.domain.events import OrderEvent
    from ordering.domain.order import Order
    from tests.domain.choices import Choice
    from tests.domain.fields import Field


CALLERS: Final = OPERATORS
SAMPLE: Final[dict[str, object]] = {}
SAMPLE_FOLLOWS: Final = "refund_payment"
FIELDS: Final[Mapping[str, Field]] = {}


def weight(order: Order) -> int:
    """Return how much more often than others this is asked of such an order."""
    return int(order.units.delivered > order.units.returned)


def choose_request(_: Order, _choice: Choice) -> dict[str, Any]:
    """Return one of many requests for it, by the numbers of the choice."""
    return {}


PART_CANCELLED = (
    *IN_FULFILMENT,
    items_were_shipped(quantity=12),
    a_shipment_was_delivered(),
    a_line_was_cancelled(3),
    a_payment_was_refunded("109.78"),
)


@pasts(
    DELIVERED,
    PART_CANCELLED,
    (*RETURN_REQUESTED, a_return_was_rejected()),
    (*RETURN_RECEIVED, a_payment_was_refunded("73.19")),
)
def test_an_order_with_nothing_open_is_completed(past: Sequence[OrderEvent]) -> None:
    completed = given(*past).when(decide, CompleteOrder())
    completed.then(it_was_completed())
    assert completed.order.status == "completed"


HELD_WITH_NOTHING_TO_SHIP = (
    *IN_FULFILMENT,
    items_were_shipped(quantity=12),
    a_shipment_was_delivered(),
    it_was_held(),
    a_line_was_cancelled(3),
    a_payment_was_refunded("109.78"),
)


def _a_line(line_id: int, quantity: int, price: str, discount: str, tax_rate: str) -> Line:
    return price_line(
        line_id=line_id,
        sku=str(line_id),
        name=None,
        quantity=quantity,
        unit_price=Decimal(price),
        discount=Decimal(discount),
        tax_rate=Decimal(tax_rate),
        currency="EUR",
    )


# Without one of the cheap units, which cost a cent and rounding gave no part of the coupon, the
# coupon's shares are others, and so is the tax: a cent more.
A_CENT_MORE_IS_OWED = (
    an_order_was_placed(
        lines=(_a_line(1, 4, "0.02", "0.5", "0"), _a_line(2, 3, "0.50", "0", "0.2")),
        shipping_fee=Decimal("0.00"),
    ),
    CouponApplied(coupon=Coupon(code="QUARTER", percent_off=Decimal(25))),
    it_was_confirmed(),
    a_payment_was_authorized(amount="1.37"),
    a_payment_was_captured(amount="1.37"),
    fulfilment_was_started(),
    a_line_was_cancelled(1),
    items_were_shipped("ship-1", 3),
    items_were_shipped("ship-2", 3, line_id=2),
    a_shipment_was_delivered("ship-1"),
    a_shipment_was_delivered("ship-2"),
)


def test_what_is_owed_at_last_is_paid_before_it_is_completed() -> None:
    past = given(*A_CENT_MORE_IS_OWED)
    assert str(past.order.balance.owed) == "0.01"
    past.when(decide, CompleteOrder()).then_refused(SOMETHING_OWED)
    paid = given(
        *A_CENT_MORE_IS_OWED,
        a_payment_was_authorized("pay-2", "0.01"),
        a_payment_was_captured("pay-2", "0.01"),
    )
    paid.when(decide, CompleteOrder()).then(it_was_completed())


@refusals(
    (PLACED, NOT_DELIVERED),
    (PAID, NOT_DELIVERED),
    (SHIPPED, NOT_DELIVERED),
    (RETURN_REQUESTED, RETURN_OPEN),
    (RETURN_APPROVED, RETURN_OPEN),
    (RETURN_RECEIVED, REFUND_DUE),
    (HELD_WITH_NOTHING_TO_SHIP, ORDER_HELD),
    (COMPLETED, ALREADY_COMPLETED),
    (CANCELLED, ORDER_CANCELLED),
)
def test_it_is_refused_while_something_is_open(
    past: Sequence[OrderEvent], refusal: Refusal
) -> None:
    given(*past).when(decide, CompleteOrder()).then_refused(refusal)
