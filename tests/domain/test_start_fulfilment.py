"""A warehouse beginning to work on an order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from commands.start_fulfilment import (
    ALREADY_IN_FULFILMENT,
    NOT_PAID,
    StartFulfilment,
    decide,
)
from ordering.domain.errors import NOT_CONFIRMED, ORDER_CANCELLED, ORDER_HELD, Refusal
from ordering.domain.events import FulfilmentStarted
from tests.callers import OPERATORS
from tests.domain.fields import text
from tests.domain.vocabulary import (
    AUTHORIZED,
    CANCELLED,
    CONFIRMED,
    IN_FULFILMENT,
    PAID,
    PLACED,
    SHIPPED,
    a_line_was_cancelled,
    a_payment_was_captured,
    fulfilment_was_started,
    given,
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


CALLERS: Final = OPERATORS
SAMPLE: Final = {"warehouse": "BER-1"}
SAMPLE_FOLLOWS: Final = "capture_payment"
FIELDS: Final[Mapping[str, Field]] = {"warehouse": text(64, optional=True)}


def weight(order: Order) -> int:
    """Return how much more often than others this is asked of such an order."""
    return 3 * (order.confirmed and not order.balance.owed and not order.in_fulfilment)


def choose_request(_: Order, choice: Choice) -> dict[str, Any]:
    """Return one of many requests for it, by the numbers of the choice."""
    return {"warehouse": "W"} if choice.which % 2 else {}


@pasts(PAID, (*PAID, a_line_was_cancelled()))
def test_work_on_a_paid_order_begins(past: Sequence[OrderEvent]) -> None:
    started = given(*past).when(decide, StartFulfilment(warehouse="BER-1"))
    started.then(fulfilment_was_started())
    assert started.order.in_fulfilment


def test_the_warehouse_need_not_be_named() -> None:
    given(*PAID).when(decide, StartFulfilment()).then(FulfilmentStarted())


@refusals(
    (PLACED, NOT_CONFIRMED),
    (CONFIRMED, NOT_PAID),
    (AUTHORIZED, NOT_PAID),
    ((*AUTHORIZED, a_payment_was_captured(amount="578.36")), NOT_PAID),
    ((*PAID, it_was_held()), ORDER_HELD),
    (IN_FULFILMENT, ALREADY_IN_FULFILMENT),
    (SHIPPED, ALREADY_IN_FULFILMENT),
    (CANCELLED, ORDER_CANCELLED),
)
def test_it_begins_once_when_all_is_paid_and_nothing_holds_it(
    past: Sequence[OrderEvent], refusal: Refusal
) -> None:
    given(*past).when(decide, StartFulfilment()).then_refused(refusal)
