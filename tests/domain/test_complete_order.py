"""Closing an order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from commands.complete_order import (
    ALREADY_COMPLETED,
    NOT_DELIVERED,
    REFUND_DUE,
    RETURN_OPEN,
    CompleteOrder,
    decide,
)
from ordering.errors import ORDER_CANCELLED, ORDER_HELD, Refusal
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
    a_payment_was_refunded,
    a_return_was_rejected,
    a_shipment_was_delivered,
    given,
    it_was_completed,
    it_was_held,
    items_were_shipped,
    pasts,
    refusals,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ordering.events import OrderEvent

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
