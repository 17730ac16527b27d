"""Adding a line to an order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from commands.add_order_line import TOO_MANY_LINES, AddOrderLine, decide
from ordering.domain.errors import ALREADY_CONFIRMED, ORDER_CANCELLED, Refusal, wrong_currency
from ordering.domain.events import OrderLineRemoved
from tests.callers import CHECKOUT
from tests.domain.choices import line_to_order
from tests.domain.fields import line_at
from tests.domain.vocabulary import (
    CANCELLED,
    CONFIRMED,
    DELIVERED,
    PLACED,
    a_line_was_added,
    an_order_was_placed,
    given,
    refusals,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordering.domain.events import OrderEvent
    from ordering.domain.order import Order
    from tests.domain.choices import Choice
    from tests.domain.fields import Field


CALLERS: Final = CHECKOUT
SAMPLE: Final = {
    "sku": "39",
    "name": "Chartreuse verte",
    "quantity": 2,
    "unit_price": {"amount": "18.00", "currency": "EUR"},
    "tax_rate": "0.19",
}
FIELDS: Final[Mapping[str, Field]] = line_at("")


def weight(order: Order) -> int:
    """Return how much more often than others this is asked of such an order."""
    return int(not order.confirmed)


def choose_request(order: Order, choice: Choice) -> dict[str, Any]:
    """Return one of many requests for it, by the numbers of the choice."""
    return line_to_order(choice.currency(order), choice.much + 1, choice.which * 37, choice.which)


def add(quantity: int = 2, currency: str = "EUR") -> AddOrderLine:
    return AddOrderLine.model_validate(
        {
            "sku": "39",
            "name": "Chartreuse verte",
            "quantity": quantity,
            "unit_price": {"amount": "18", "currency": currency},
            "tax_rate": "0.19",
        }
    )


def test_a_line_is_added_to_a_placed_order_and_counts() -> None:
    added = given(*PLACED).when(decide, add())
    added.then(a_line_was_added(line_id=2))
    assert str(added.order.lines[1].total) == "36.00"
    # 513.00 + 36.00, 35.91 + 6.84 of tax, 29.46 to ship
    assert str(added.order.totals.total) == "621.21"


def test_a_line_id_is_never_given_twice() -> None:
    past = given(*PLACED, a_line_was_added(line_id=2), OrderLineRemoved(line_id=2))
    past.when(decide, add()).then(a_line_was_added(line_id=3))


@refusals(
    (CONFIRMED, ALREADY_CONFIRMED), (DELIVERED, ALREADY_CONFIRMED), (CANCELLED, ORDER_CANCELLED)
)
def test_it_is_refused_from_confirmation_on(past: Sequence[OrderEvent], refusal: Refusal) -> None:
    given(*past).when(decide, add()).then_refused(refusal)


def test_its_price_is_in_the_orders_currency() -> None:
    refused = given(*PLACED).when(decide, add(currency="USD"))
    refused.then_refused(wrong_currency("/unit_price", "EUR"))


@pytest.mark.parametrize(("lines", "is_added"), [(499, True), (500, False)])
def test_an_order_has_at_most_500_lines(lines: int, is_added: bool) -> None:
    (line,) = an_order_was_placed().lines
    many = tuple(line.model_copy(update={"line_id": n}) for n in range(1, lines + 1))
    outcome = given(an_order_was_placed(lines=many)).when(decide, add())
    if is_added:
        outcome.then(a_line_was_added(line_id=500))
    else:
        outcome.then_refused(TOO_MANY_LINES)
