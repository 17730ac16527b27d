"""Calling off units of a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from commands.cancel_line import CancelLine, decide
from ordering.domain.errors import EXCEEDS_REMAINING, LINE_NOT_FOUND, ORDER_CANCELLED, Refusal
from tests.callers import CUSTOMERS
from tests.domain.fields import Quantity, text
from tests.domain.vocabulary import (
    CANCELLED,
    COMPLETED,
    CONFIRMED,
    IN_FULFILMENT,
    PAID,
    PLACED,
    SHIPPED,
    a_line_was_cancelled,
    given,
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


CALLERS: Final = CUSTOMERS
SAMPLE: Final = {"line_id": "1", "quantity": 3, "reason": "out of stock"}
FIELDS: Final[Mapping[str, Field]] = {"quantity": Quantity(), "reason": text(500)}


def weight(order: Order) -> int:
    """Return how much more often than others this is asked of such an order."""
    return int(not order.confirmed or (order.in_fulfilment and order.units.to_ship > 0))


def choose_request(order: Order, choice: Choice) -> dict[str, Any]:
    """Return one of many requests for it, by the numbers of the choice."""
    return {
        "line_id": choice.line_id(order),
        "quantity": choice.units(choice.line(order), "to_ship"),
        "reason": "a reason",
    }


def cancel(quantity: int, line_id: int = 1) -> CancelLine:
    return CancelLine(line_id=line_id, quantity=quantity, reason="out of stock")


@pasts(PLACED, CONFIRMED, PAID, IN_FULFILMENT)
def test_units_that_are_not_shipped_are_cancelled(past: Sequence[OrderEvent]) -> None:
    cancelled = given(*past).when(decide, cancel(3))
    cancelled.then(a_line_was_cancelled(3))
    assert str(cancelled.order.totals.total) == "468.59"


def test_what_was_paid_for_them_is_due_back() -> None:
    cancelled = given(*PAID).when(decide, cancel(3)).order
    assert (cancelled.status, str(cancelled.balance.due_back)) == ("refund_due", "109.78")


@pytest.mark.parametrize("quantity", [16, 1_000_000])
def test_never_more_than_is_left(quantity: int) -> None:
    given(*PLACED).when(decide, cancel(quantity)).then_refused(EXCEEDS_REMAINING)


def test_what_is_shipped_is_not_cancelled() -> None:
    past = given(*IN_FULFILMENT, items_were_shipped(quantity=10))
    past.when(decide, cancel(6)).then_refused(EXCEEDS_REMAINING)
    past.when(decide, cancel(5)).then(a_line_was_cancelled(5))


def test_the_last_units_cancel_the_order_and_its_shipping_fee() -> None:
    cancelled = given(*PLACED).when(decide, cancel(15)).order
    assert (cancelled.status, str(cancelled.totals.total)) == ("cancelled", "0.00")


@refusals(
    (SHIPPED, EXCEEDS_REMAINING),
    (COMPLETED, EXCEEDS_REMAINING),
    (CANCELLED, ORDER_CANCELLED),
)
def test_it_is_refused_when_nothing_is_left(past: Sequence[OrderEvent], refusal: Refusal) -> None:
    given(*past).when(decide, cancel(1)).then_refused(refusal)


def test_an_unknown_line_is_not_found() -> None:
    given(*PLACED).when(decide, cancel(1, line_id=2)).then_refused(LINE_NOT_FOUND)
