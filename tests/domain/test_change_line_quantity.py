"""Ordering more or fewer units of a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from commands.change_line_quantity import NOT_ABOVE_CANCELLED, ChangeLineQuantity, decide
from ordering.domain.errors import ALREADY_CONFIRMED, LINE_NOT_FOUND, ORDER_CANCELLED, Refusal
from ordering.domain.events import LineQuantityChanged
from tests.callers import CUSTOMERS
from tests.domain.choices import AMOUNT
from tests.domain.fields import Quantity
from tests.domain.vocabulary import (
    CANCELLED,
    CONFIRMED,
    PLACED,
    SHIPPED,
    a_line_was_cancelled,
    given,
    refusals,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordering.domain.events import OrderEvent
    from ordering.domain.order import Order
    from tests.domain.choices import Choice
    from tests.domain.fields import Field


CALLERS: Final = CUSTOMERS
SAMPLE: Final = {"line_id": "1", "quantity": 12}
FIELDS: Final[Mapping[str, Field]] = {"quantity": Quantity()}


def weight(order: Order) -> int:
    """Return how much more often than others this is asked of such an order."""
    return int(not order.confirmed)


def choose_request(order: Order, choice: Choice) -> dict[str, Any]:
    """Order up to eight units more than were cancelled, or none more, which is too few."""
    line = choice.line(order)
    more = 0 if choice.wrong == AMOUNT else choice.much + 1
    return {"line_id": choice.line_id(order), "quantity": more + (line.cancelled if line else 0)}


def change(quantity: int, line_id: int = 1) -> ChangeLineQuantity:
    return ChangeLineQuantity(line_id=line_id, quantity=quantity)


def test_the_quantity_of_a_line_is_changed_and_counts() -> None:
    changed = given(*PLACED).when(decide, change(10))
    changed.then(LineQuantityChanged(line_id=1, quantity=10))
    assert (changed.order.lines[0].ordered, str(changed.order.totals.lines)) == (10, "342.00")


def test_the_same_quantity_changes_nothing() -> None:
    given(*PLACED).when(decide, change(15)).then_nothing()


def test_it_stays_above_what_is_cancelled_of_it() -> None:
    past = given(*PLACED, a_line_was_cancelled(3))
    past.when(decide, change(3)).then_refused(NOT_ABOVE_CANCELLED)
    assert past.when(decide, change(4)).order.lines[0].kept == 1


@refusals(
    (CONFIRMED, ALREADY_CONFIRMED), (SHIPPED, ALREADY_CONFIRMED), (CANCELLED, ORDER_CANCELLED)
)
def test_it_is_refused_from_confirmation_on(past: Sequence[OrderEvent], refusal: Refusal) -> None:
    given(*past).when(decide, change(10)).then_refused(refusal)


def test_an_unknown_line_is_not_found() -> None:
    given(*PLACED).when(decide, change(10, line_id=2)).then_refused(LINE_NOT_FOUND)
