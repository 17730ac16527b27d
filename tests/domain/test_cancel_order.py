"""Cancelling an order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from commands.cancel_order import ALREADY_CANCELLED, CancelOrder, decide
from tests.domain.vocabulary import an_order_was_placed, given, it_was_cancelled, it_was_confirmed

if TYPE_CHECKING:
    from ordering.events import OrderEvent

CANCEL = CancelOrder(reason="ordered twice")


@pytest.mark.parametrize(
    "past",
    [[an_order_was_placed()], [an_order_was_placed(), it_was_confirmed()]],
    ids=["placed", "confirmed"],
)
def test_an_order_is_cancelled_before_anything_is_shipped(past: list[OrderEvent]) -> None:
    given(*past).when(decide, CANCEL).then(it_was_cancelled())


def test_a_cancelled_order_is_not_cancelled_again() -> None:
    past = given(an_order_was_placed(), it_was_cancelled())
    past.when(decide, CANCEL).then_refused(ALREADY_CANCELLED)


def test_a_reason_is_needed() -> None:
    with pytest.raises(ValidationError):
        CancelOrder(reason="")
