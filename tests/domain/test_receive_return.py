"""Items coming back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest

from commands.receive_return import (
    ALREADY_RECEIVED,
    EXCEEDS_RETURN,
    NOT_APPROVED,
    ReceiveReturn,
    decide,
)
from ordering.domain.errors import LINE_NOT_FOUND, RETURN_NOT_FOUND, Refusal
from ordering.domain.events import ReturnReceived
from ordering.domain.parts import ReceivedItem
from tests.callers import OPERATORS
from tests.domain.choices import IDENTITY
from tests.domain.fields import Quantity, items_at
from tests.domain.life import order_to_place
from tests.domain.vocabulary import (
    DELIVERED,
    RETURN_APPROVED,
    RETURN_RECEIVED,
    RETURN_REQUESTED,
    a_line_was_added,
    a_return_was_received,
    a_return_was_rejected,
    given,
    refusals,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordering.domain.events import OrderEvent
    from ordering.domain.order import Order
    from tests.domain.choices import Choice
    from tests.domain.fields import Field


CALLERS: Final = OPERATORS
SAMPLE: Final = {"return_id": "return-1", "items": [{"line_id": 1, "quantity": 2}]}
SAMPLE_FOLLOWS: Final = "approve_return"
FIELDS: Final[Mapping[str, Field]] = items_at("items", fewest=0, quantity=Quantity(fewest=0))
RARE_LIVES: Final[Sequence[Sequence[tuple[str, dict[str, Any]]]]] = (
    # Something came back while other units are still to ship.
    (
        ("place_order", order_to_place("EUR", [(3, 0, 0), (3, 0, 0)], 0)),
        ("confirm_order", {}),
        ("start_fulfilment", {}),
        (
            "ship_items",
            {"shipment_id": "s", "carrier": "DHL", "items": [{"line_id": 1, "quantity": 2}]},
        ),
        ("deliver_shipment", {"shipment_id": "s"}),
        (
            "request_return",
            {"return_id": "r", "items": [{"line_id": 1, "quantity": 1, "reason": "r"}]},
        ),
        ("approve_return", {"return_id": "r"}),
        ("receive_return", {"return_id": "r"}),
    ),
)


def weight(order: Order) -> int:
    """Return how much more often than others this is asked of such an order."""
    return 2 * sum(part.state == "approved" for part in order.returns)


def choose_request(order: Order, choice: Choice) -> dict[str, Any]:
    """Take back all of a return, or of some lines something or nothing."""
    request: dict[str, Any] = {}
    if choice.much % 2:
        items = replace(choice, much=choice.much - 1).items(order, "delivered")
        # These lines may be in the return or not, or not in the order.
        request["items"] = [{**item, "quantity": 0} if choice.much > 4 else item for item in items]
        # Then it is the items that are wrong, and the return is right.
        choice = replace(choice, wrong=0 if choice.wrong == IDENTITY else choice.wrong)
    known = [p.return_id for p in order.returns if choice.reaches(state=p.state == "approved")]
    return {"return_id": choice.part_id("ret", known), **request}


ALL = ReceiveReturn(return_id="return-1")


def receive(quantity: int, line_id: int = 1) -> ReceiveReturn:
    item = ReceivedItem(line_id=line_id, quantity=quantity)
    return ReceiveReturn(return_id="return-1", items=(item,))


def test_all_of_it_came_and_what_was_paid_for_it_is_due_back() -> None:
    received = given(*RETURN_APPROVED).when(decide, ALL)
    received.then(a_return_was_received(quantity=2))
    order = received.order
    assert (order.lines[0].returned, order.status) == (2, "refund_due")
    # 13 jars: 444.60, 31.12 of tax; the shipping fee stays
    assert (str(order.totals.total), str(order.balance.due_back)) == ("505.18", "73.19")


@pytest.mark.parametrize("quantity", [0, 1, 2])
def test_what_really_came_counts(quantity: int) -> None:
    received = given(*RETURN_APPROVED).when(decide, receive(quantity))
    received.then(a_return_was_received(quantity=quantity))
    assert received.order.lines[0].returned == quantity


def test_nothing_may_have_come() -> None:
    nothing = ReceiveReturn(return_id="return-1", items=())
    received = given(*RETURN_APPROVED).when(decide, nothing)
    received.then(ReturnReceived(return_id="return-1", items=()))
    assert received.order.status == "delivered"


def test_never_more_than_was_approved() -> None:
    given(*RETURN_APPROVED).when(decide, receive(3)).then_refused(EXCEEDS_RETURN)


@pytest.mark.parametrize("quantity", [0, 1])
def test_a_line_that_the_order_does_not_have_is_unknown(quantity: int) -> None:
    unknown = receive(quantity, line_id=2)
    given(*RETURN_APPROVED).when(decide, unknown).then_refused(LINE_NOT_FOUND)


@pytest.mark.parametrize("quantity", [0, 1])
def test_a_line_that_is_not_in_the_return_does_not_come_with_it(quantity: int) -> None:
    placed, *later = RETURN_APPROVED
    past = given(placed, a_line_was_added(), *later)
    past.when(decide, receive(quantity, line_id=2)).then_refused(EXCEEDS_RETURN)


@refusals(
    (DELIVERED, RETURN_NOT_FOUND),
    (RETURN_REQUESTED, NOT_APPROVED),
    ((*RETURN_REQUESTED, a_return_was_rejected()), NOT_APPROVED),
    (RETURN_RECEIVED, ALREADY_RECEIVED),
)
def test_only_an_approved_return_is_received(past: Sequence[OrderEvent], refusal: Refusal) -> None:
    given(*past).when(decide, ALL).then_refused(refusal)
