"""Taking a line out of an order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from commands.remove_order_line import LAST_LINE, RemoveOrderLine, decide
from ordering.domain.errors import ALREADY_CONFIRMED, LINE_NOT_FOUND, ORDER_CANCELLED, Refusal
from ordering.domain.events import OrderLineRemoved
from tests.callers import CUSTOMERS
from tests.domain.vocabulary import (
    CANCELLED,
    CONFIRMED,
    PAID,
    PLACED,
    a_line_was_added,
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
SAMPLE: Final = {"line_id": "1"}
SAMPLE_FOLLOWS: Final = "add_order_line"
FIELDS: Final[Mapping[str, Field]] = {}


def weight(order: Order) -> int:
    """Return how much more often than others this is asked of such an order."""
    return int(not order.confirmed)


def choose_request(order: Order, choice: Choice) -> dict[str, Any]:
    """Return one of many requests for it, by the numbers of the choice."""
    return {"line_id": choice.line_id(order)}


TWO_LINES = (*PLACED, a_line_was_added())
REMOVE = RemoveOrderLine(line_id=1)


def test_a_line_is_removed_and_counts_no_more() -> None:
    removed = given(*TWO_LINES).when(decide, REMOVE)
    removed.then(OrderLineRemoved(line_id=1))
    assert [line.line_id for line in removed.order.lines] == [2]
    assert str(removed.order.totals.lines) == "36.00"


def test_the_last_line_stays() -> None:
    given(*PLACED).when(decide, REMOVE).then_refused(LAST_LINE)


def test_the_last_line_that_is_not_cancelled_stays() -> None:
    past = given(*TWO_LINES, a_line_was_cancelled(2, line_id=2))
    past.when(decide, REMOVE).then_refused(LAST_LINE)
    past.when(decide, RemoveOrderLine(line_id=2)).then(OrderLineRemoved(line_id=2))


@refusals((CONFIRMED, ALREADY_CONFIRMED), (PAID, ALREADY_CONFIRMED), (CANCELLED, ORDER_CANCELLED))
def test_it_is_refused_from_confirmation_on(past: Sequence[OrderEvent], refusal: Refusal) -> None:
    given(*past).when(decide, REMOVE).then_refused(refusal)


def test_an_unknown_line_is_not_found() -> None:
    given(*TWO_LINES).when(decide, RemoveOrderLine(line_id=3)).then_refused(LINE_NOT_FOUND)
