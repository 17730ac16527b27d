"""Confirming an order."""

from __future__ import annotations

from commands.confirm_order import ConfirmOrder, decide
from ordering.errors import ALREADY_CONFIRMED, ORDER_CANCELLED
from tests.domain.vocabulary import an_order_was_placed, given, it_was_cancelled, it_was_confirmed


def test_a_placed_order_is_confirmed() -> None:
    given(an_order_was_placed()).when(decide, ConfirmOrder()).then(it_was_confirmed())


def test_a_confirmed_order_is_not_confirmed_again() -> None:
    past = given(an_order_was_placed(), it_was_confirmed())
    past.when(decide, ConfirmOrder()).then_refused(ALREADY_CONFIRMED)


def test_a_cancelled_order_is_not_confirmed() -> None:
    past = given(an_order_was_placed(), it_was_cancelled())
    past.when(decide, ConfirmOrder()).then_refused(ORDER_CANCELLED)
