"""Letting a held order go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from commands.release_order import NOT_HELD, ReleaseOrder, decide
from tests.callers import OPERATORS
from tests.domain.vocabulary import (
    CANCELLED,
    CONFIRMED,
    IN_FULFILMENT,
    PLACED,
    given,
    it_was_cancelled,
    it_was_held,
    it_was_released,
    pasts,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordering.domain.events import OrderEvent
    from ordering.domain.order import Order
    from tests.domain.choices import Choice
    from tests.domain.fields import Field


CALLERS: Final = OPERATORS
SAMPLE: Final[dict[str, object]] = {}
SAMPLE_FOLLOWS: Final = "hold_order"
FIELDS: Final[Mapping[str, Field]] = {}


def weight(order: Order) -> int:
    """Return how much more often than others this is asked of such an order."""
    return 3 * order.held


def choose_request(_: Order, _choice: Choice) -> dict[str, Any]:
    """Return one of many requests for it, by the numbers of the choice."""
    return {}


@pasts(PLACED, CONFIRMED, IN_FULFILMENT)
def test_a_released_order_is_where_it_was(past: Sequence[OrderEvent]) -> None:
    before = given(*past, it_was_held())
    released = before.when(decide, ReleaseOrder())
    released.then(it_was_released())
    assert released.order.status == given(*past).order.status


def test_a_held_order_that_was_cancelled_is_released() -> None:
    past = given(*PLACED, it_was_held(), it_was_cancelled())
    past.when(decide, ReleaseOrder()).then(it_was_released())


@pasts(PLACED, (*PLACED, it_was_held(), it_was_released()), IN_FULFILMENT, CANCELLED)
def test_what_is_not_held_is_not_released(past: Sequence[OrderEvent]) -> None:
    given(*past).when(decide, ReleaseOrder()).then_refused(NOT_HELD)
