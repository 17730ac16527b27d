"""Confirming an order."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from commands.confirm_order import NOT_FOR_OTHERS, NOT_THEN, ConfirmOrder, decide, permit
from ordering.domain.errors import ALREADY_CONFIRMED, ORDER_CANCELLED, Refusal
from ordering.domain.events import OrderConfirmed
from ordering.runtime.http import Principal
from tests.callers import CUSTOMERS
from tests.domain.fields import TRIED_BELOW
from tests.domain.vocabulary import (
    CANCELLED,
    COMPLETED,
    CONFIRMED,
    NOW,
    PAID,
    PLACED,
    given,
    it_was_confirmed,
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
SAMPLE: Final[dict[str, object]] = {}
FIELDS: Final[Mapping[str, Field]] = {"confirmed_at": TRIED_BELOW}
OPERATOR = Principal(subject="operator", confined_to=None, is_operator=True)
SHOP = Principal(subject="checkout", confined_to=None, is_operator=False)


def weight(order: Order) -> int:
    """Return how much more often than others this is asked of such an order."""
    return int(not order.confirmed)


def choose_request(_: Order, _choice: Choice) -> dict[str, Any]:
    """Return one of many requests for it, by the numbers of the choice."""
    return {}


@pasts(PLACED, (*PLACED, it_was_held()))
def test_a_placed_order_is_confirmed(past: Sequence[OrderEvent]) -> None:
    given(*past).when(decide, ConfirmOrder()).then(it_was_confirmed())


@refusals(
    (CONFIRMED, ALREADY_CONFIRMED),
    (PAID, ALREADY_CONFIRMED),
    (COMPLETED, ALREADY_CONFIRMED),
    (CANCELLED, ORDER_CANCELLED),
)
def test_it_is_confirmed_once(past: Sequence[OrderEvent], refusal: Refusal) -> None:
    given(*past).when(decide, ConfirmOrder()).then_refused(refusal)


@pytest.mark.parametrize("minutes", [0, 5])
def test_an_operator_says_when_it_was_confirmed(minutes: int) -> None:
    then = NOW + timedelta(minutes=minutes)
    command = ConfirmOrder.model_validate({"confirmed_at": then.isoformat()})
    assert permit(command, OPERATOR) is None
    assert permit(command, SHOP) == NOT_FOR_OTHERS
    assert permit(ConfirmOrder(), SHOP) is None
    given(*PLACED).when(decide, command).then(OrderConfirmed(confirmed_at=then))


@pytest.mark.parametrize("minutes", [-1, 6])
def test_it_is_confirmed_neither_before_it_was_placed_nor_in_the_future(minutes: int) -> None:
    command = ConfirmOrder(confirmed_at=NOW + timedelta(minutes=minutes))
    given(*PLACED).when(decide, command).then_refused(NOT_THEN)
