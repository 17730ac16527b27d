"""Asking to send items back."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from commands.request_return import (
    EXCEEDS_RETURNABLE,
    RETURN_ID_REUSED,
    TOO_LATE,
    RequestReturn,
    decide,
)
from ordering.domain.errors import LINE_NOT_FOUND, Refusal
from tests.callers import CUSTOMERS
from tests.domain.fields import PartId, Quantity, items_at, text
from tests.domain.vocabulary import (
    CANCELLED,
    COMPLETED,
    DELIVERED,
    IN_FULFILMENT,
    NOW,
    PLACED,
    RETURN_APPROVED,
    RETURN_RECEIVED,
    RETURN_REQUESTED,
    SHIPPED,
    a_return_was_approved,
    a_return_was_received,
    a_return_was_rejected,
    a_return_was_requested,
    a_shipment_was_delivered,
    given,
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


CALLERS: Final = CUSTOMERS
SAMPLE: Final = {
    "return_id": "return-1",
    "items": [{"line_id": 1, "quantity": 2, "reason": "two jars are broken"}],
}
SAMPLE_FOLLOWS: Final = "deliver_shipment"
FIELDS: Final[Mapping[str, Field]] = {
    "return_id": PartId(),
    **items_at("items", quantity=Quantity(), reason=text(500)),
}


def weight(order: Order) -> int:
    """Return how much more often than others this is asked of such an order."""
    return int(order.units.delivered > order.units.returned)


def choose_request(order: Order, choice: Choice) -> dict[str, Any]:
    """Return one of many requests for it, by the numbers of the choice."""
    return {
        "return_id": choice.new_id("ret", len(order.returns)),
        "items": [{**item, "reason": "a reason"} for item in choice.items(order, "delivered")],
    }


def return_of(quantity: int = 2, return_id: str = "return-1", line_id: int = 1) -> RequestReturn:
    item = {"line_id": line_id, "quantity": quantity, "reason": "two jars are broken"}
    return RequestReturn.model_validate({"return_id": return_id, "items": [item]})


@pasts(DELIVERED, COMPLETED)
def test_delivered_items_may_be_sent_back(past: Sequence[OrderEvent]) -> None:
    asked = given(*past).when(decide, return_of())
    asked.then(a_return_was_requested())
    assert asked.order.status == "return_requested"
    assert asked.order.totals == given(*past).order.totals


@pytest.mark.parametrize(
    ("later", "is_taken"),
    [
        (timedelta(0), True),
        (timedelta(days=30), True),
        (timedelta(days=30, microseconds=1), False),
        (timedelta(days=400), False),
    ],
)
def test_within_30_days_of_their_delivery(later: timedelta, is_taken: bool) -> None:
    outcome = given(*DELIVERED).when(decide, return_of(), NOW + later)
    if is_taken:
        outcome.then(a_return_was_requested(requested_at=NOW + later))
    else:
        outcome.then_refused(TOO_LATE)


def test_only_what_was_delivered_in_time() -> None:
    past = given(
        *IN_FULFILMENT,
        items_were_shipped("ship-1", 10),
        items_were_shipped("ship-2", 5),
        a_shipment_was_delivered("ship-1", NOW - timedelta(days=31)),
        a_shipment_was_delivered("ship-2", NOW),
    )
    past.when(decide, return_of(5)).then(a_return_was_requested(quantity=5))
    past.when(decide, return_of(6)).then_refused(TOO_LATE)


def days_ago(days: int) -> datetime:
    return NOW - timedelta(days=days)


LATELY = (
    *IN_FULFILMENT,
    items_were_shipped("ship-1", 10),
    items_were_shipped("ship-2", 5),
    a_shipment_was_delivered("ship-2", days_ago(25)),
    a_shipment_was_delivered("ship-1", days_ago(40)),
)
"""Ten units arrived 40 days ago, and 5 of the same line 25 days ago."""


@pytest.mark.parametrize(
    ("requested", "quantity", "returnable"),
    [
        # Today the first parcel's time is over: the 5 that came back were of the second one.
        (0, 5, 0),
        (0, 3, 2),
        # 35 days ago there was no other parcel yet.
        (35, 10, 5),
        # 20 days ago both could be returned, and the first one's time was to be over first.
        (20, 10, 5),
        (20, 12, 3),
        (20, 15, 0),
    ],
)
def test_a_return_takes_what_can_be_returned_no_longer_soonest(
    requested: int, quantity: int, returnable: int
) -> None:
    past = given(*LATELY, a_return_was_requested("return-1", quantity, days_ago(requested)))
    outcome = past.when(decide, return_of(returnable + 1, "return-2"))
    outcome.then_refused(TOO_LATE if quantity + returnable < 15 else EXCEEDS_RETURNABLE)
    if returnable:
        past.when(decide, return_of(returnable, "return-2")).then(
            a_return_was_requested("return-2", returnable)
        )


def test_what_did_not_come_back_can_be_returned_as_before() -> None:
    past = given(
        *LATELY,
        a_return_was_requested("return-1", 5),
        a_return_was_approved(),
        a_return_was_received(quantity=1),
    )
    past.when(decide, return_of(5, "return-2")).then_refused(TOO_LATE)
    past.when(decide, return_of(4, "return-2")).then(a_return_was_requested("return-2", 4))


@pytest.mark.parametrize("past", [RETURN_REQUESTED, RETURN_APPROVED, RETURN_RECEIVED])
def test_what_is_in_a_return_is_not_returned_again(past: Sequence[OrderEvent]) -> None:
    given(*past).when(decide, return_of(14, "return-2")).then_refused(EXCEEDS_RETURNABLE)
    given(*past).when(decide, return_of(13, "return-2")).then(
        a_return_was_requested("return-2", 13)
    )


def test_what_was_rejected_may_be_asked_for_again() -> None:
    past = given(*RETURN_REQUESTED, a_return_was_rejected())
    past.when(decide, return_of(15, "return-2")).then(a_return_was_requested("return-2", 15))


def test_the_same_return_again_changes_nothing() -> None:
    given(*RETURN_REQUESTED).when(decide, return_of()).then_nothing()
    given(*RETURN_RECEIVED).when(decide, return_of()).then_nothing()


def test_an_id_names_one_return() -> None:
    given(*RETURN_REQUESTED).when(decide, return_of(3)).then_refused(RETURN_ID_REUSED)


@refusals(
    (PLACED, EXCEEDS_RETURNABLE),
    (SHIPPED, EXCEEDS_RETURNABLE),
    (CANCELLED, EXCEEDS_RETURNABLE),
)
def test_what_is_not_delivered_is_not_returned(
    past: Sequence[OrderEvent], refusal: Refusal
) -> None:
    given(*past).when(decide, return_of(1)).then_refused(refusal)


def test_an_unknown_line_is_not_found() -> None:
    given(*DELIVERED).when(decide, return_of(line_id=2)).then_refused(LINE_NOT_FOUND)
