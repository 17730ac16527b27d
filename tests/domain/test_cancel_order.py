"""Cancelling an order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
from pydantic import ValidationError

from commands.cancel_order import ALREADY_CANCELLED, CancelOrder, decide
from ordering.domain.errors import ALREADY_SHIPPED, Refusal
from tests.callers import CUSTOMERS
from tests.domain.fields import text
from tests.domain.vocabulary import (
    CANCELLED,
    COMPLETED,
    CONFIRMED,
    DELIVERED,
    IN_FULFILMENT,
    PAID,
    PLACED,
    SHIPPED,
    TOTAL,
    a_line_was_cancelled,
    a_shipment_was_lost,
    given,
    it_was_cancelled,
    it_was_held,
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
SAMPLE: Final = {"reason": "ordered twice"}
FIELDS: Final[Mapping[str, Field]] = {"reason": text(500)}


def weight(_: Order) -> int:
    """Return how much more often than others this is asked of such an order."""
    return 0


def choose_request(_: Order, _choice: Choice) -> dict[str, Any]:
    """Return one of many requests for it, by the numbers of the choice."""
    return {"reason": "a reason"}


CANCEL = CancelOrder(reason="ordered twice")


@pasts(
    PLACED,
    CONFIRMED,
    (*CONFIRMED, it_was_held()),
    PAID,
    IN_FULFILMENT,
    (*SHIPPED, a_shipment_was_lost()),
)
def test_an_order_is_cancelled_before_anything_is_shipped(past: Sequence[OrderEvent]) -> None:
    cancelled = given(*past).when(decide, CANCEL)
    cancelled.then(it_was_cancelled())
    assert cancelled.order.is_cancelled
    assert str(cancelled.order.totals.total) == "0.00"


def test_what_was_captured_is_due_back() -> None:
    cancelled = given(*PAID).when(decide, CANCEL).order
    assert (cancelled.status, str(cancelled.balance.due_back)) == ("refund_due", TOTAL)


@refusals(
    (CANCELLED, ALREADY_CANCELLED),
    ((*PLACED, a_line_was_cancelled(15)), ALREADY_CANCELLED),
    (SHIPPED, ALREADY_SHIPPED),
    (DELIVERED, ALREADY_SHIPPED),
    (COMPLETED, ALREADY_SHIPPED),
)
def test_it_is_refused_once_something_is_shipped(
    past: Sequence[OrderEvent], refusal: Refusal
) -> None:
    given(*past).when(decide, CANCEL).then_refused(refusal)


def test_a_reason_is_needed() -> None:
    with pytest.raises(ValidationError):
        CancelOrder(reason="")
