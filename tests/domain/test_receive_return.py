"""Items coming back."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    from collections.abc import Sequence

    from ordering.domain.events import OrderEvent

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
