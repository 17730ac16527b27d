"""Confirming an order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from commands.confirm_order import ConfirmOrder, decide
from ordering.domain.errors import ALREADY_CONFIRMED, ORDER_CANCELLED, Refusal
from tests.callers import CUSTOMERS
from tests.domain.vocabulary import (
    CANCELLED,
    COMPLETED,
    CONFIRMED,
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
FIELDS: Final[Mapping[str, Field]] = {}


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
