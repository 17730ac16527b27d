"""Stopping an order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from commands.hold_order import ALREADY_HELD, NOTHING_TO_HOLD, HoldOrder, decide
from ordering.domain.errors import ORDER_CANCELLED, Refusal
from tests.callers import OPERATORS
from tests.domain.fields import text
from tests.domain.vocabulary import (
    CANCELLED,
    CONFIRMED,
    DELIVERED,
    IN_FULFILMENT,
    PAID,
    PLACED,
    SHIPPED,
    given,
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
SAMPLE: Final = {"reason": "the address looks wrong"}
FIELDS: Final[Mapping[str, Field]] = {"reason": text(500)}


def weight(order: Order) -> int:
    """Return how much more often than others this is asked of such an order."""
    return int(order.confirmed and order.units.to_ship > 0)


def choose_request(_: Order, _choice: Choice) -> dict[str, Any]:
    """Return one of many requests for it, by the numbers of the choice."""
    return {"reason": "a reason"}


HOLD = HoldOrder(reason="the address looks wrong")


@pasts(PLACED, CONFIRMED, PAID, IN_FULFILMENT, (*IN_FULFILMENT, items_were_shipped(quantity=14)))
def test_an_order_is_held_until_all_of_it_is_shipped(past: Sequence[OrderEvent]) -> None:
    held = given(*past).when(decide, HOLD)
    held.then(it_was_held())
    assert held.order.status == "held"


@refusals(
    ((*PLACED, it_was_held()), ALREADY_HELD),
    (SHIPPED, NOTHING_TO_HOLD),
    (DELIVERED, NOTHING_TO_HOLD),
    (CANCELLED, ORDER_CANCELLED),
)
def test_it_is_refused_when_there_is_nothing_to_stop(
    past: Sequence[OrderEvent], refusal: Refusal
) -> None:
    given(*past).when(decide, HOLD).then_refused(refusal)
