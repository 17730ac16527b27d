"""Each status of the contract, and which of several that hold is the one that is told."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, get_args

import pytest

from ordering.events import LineCancelled, ReturnReceived
from ordering.parts import ReceivedItem
from ordering.status import DEFINITIONS, Standing
from ordering.values import Status
from tests.domain.vocabulary import (
    AUTHORIZED,
    CANCELLED,
    COMPLETED,
    CONFIRMED,
    DELIVERED,
    IN_FULFILMENT,
    PAID,
    PLACED,
    RETURN_APPROVED,
    RETURN_REQUESTED,
    SHIPPED,
    TOTAL,
    a_line_was_cancelled,
    a_payment_was_captured,
    a_payment_was_refunded,
    a_return_was_approved,
    a_return_was_received,
    a_return_was_rejected,
    a_return_was_requested,
    a_shipment_was_delivered,
    a_shipment_was_lost,
    after,
    it_was_cancelled,
    it_was_completed,
    it_was_held,
    it_was_released,
    items_were_shipped,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ordering.events import OrderEvent

PART_PAID = (*AUTHORIZED, a_payment_was_captured(amount="100.00"))
PART_SHIPPED = (*IN_FULFILMENT, items_were_shipped(quantity=5))
PART_DELIVERED = (*PART_SHIPPED, a_shipment_was_delivered())
# Two of fifteen jars cost 34.20 each and 7 % tax: 73.19 with the rounding of the whole.
PART_RETURNED = (*RETURN_APPROVED, a_return_was_received(), a_payment_was_refunded("73.19"))
ALL_BACK = (
    *DELIVERED,
    a_return_was_requested(quantity=15),
    a_return_was_approved(),
    a_return_was_received(quantity=15),
)
REFUNDED = (*ALL_BACK, a_payment_was_refunded("548.91"))


def reaching(status: str, *past: OrderEvent, because: str = "") -> object:
    return pytest.param(past, status, id=f"{status} {because}".strip())


@pytest.mark.parametrize(
    ("past", "status"),
    [
        reaching("placed", *PLACED),
        reaching("confirmed", *CONFIRMED),
        reaching("confirmed", *AUTHORIZED, because="though authorized"),
        reaching("part_paid", *PART_PAID),
        reaching("paid", *PAID),
        reaching("in_fulfilment", *IN_FULFILMENT),
        reaching("in_fulfilment", *SHIPPED, a_shipment_was_lost(), because="after all was lost"),
        reaching("part_shipped", *PART_SHIPPED),
        reaching("shipped", *SHIPPED),
        reaching("part_delivered", *PART_DELIVERED),
        reaching(
            "part_delivered",
            *PART_DELIVERED,
            items_were_shipped("ship-2", 10),
            because="with the rest on its way",
        ),
        reaching("delivered", *DELIVERED),
        reaching("completed", *COMPLETED),
        reaching("return_requested", *RETURN_REQUESTED),
        reaching("return_requested", *COMPLETED, a_return_was_requested(), because="of completed"),
        reaching("return_approved", *RETURN_APPROVED),
        reaching(
            "delivered", *RETURN_REQUESTED, a_return_was_rejected(), because="after a refusal"
        ),
        reaching("refund_due", *RETURN_APPROVED, a_return_was_received()),
        reaching("part_returned", *PART_RETURNED),
        reaching("refunded", *REFUNDED),
        reaching("cancelled", *CANCELLED),
        reaching("cancelled", *CONFIRMED, it_was_cancelled(), because="after it was confirmed"),
        reaching("cancelled", *PLACED, a_line_was_cancelled(15), because="line by line"),
        reaching(
            "cancelled",
            *PAID,
            it_was_cancelled(),
            a_payment_was_refunded(TOTAL),
            because="and paid back",
        ),
        reaching("held", *PLACED, it_was_held()),
        reaching("held", *PART_DELIVERED, it_was_held(), because="in the middle"),
        reaching("part_delivered", *PART_DELIVERED, it_was_held(), it_was_released()),
    ],
)
def test_an_order_has_the_status_that_its_past_makes(
    past: Sequence[OrderEvent], status: str
) -> None:
    assert after(past).status == status


def test_an_order_that_came_back_and_had_cost_nothing_is_returned() -> None:
    """Nothing was paid, so nothing is refunded."""
    order = after(ALL_BACK)
    nothing = order.balance.model_copy(
        update={"captured": Decimal(0), "refunded": Decimal(0), "due_back": Decimal(0)}
    )
    standing = Standing(order, order.units, nothing)
    assert next(d.status for d in DEFINITIONS if d.holds(standing)) == "returned"


@pytest.mark.parametrize(
    ("past", "status"),
    [
        reaching("refund_due", *PAID, it_was_cancelled(), because="before cancelled"),
        reaching("refund_due", *PAID, it_was_held(), a_line_was_cancelled(), because="before held"),
        reaching(
            "refund_due",
            *PAID,
            a_line_was_cancelled(),
            because="of a part, before paid",
        ),
        reaching("cancelled", *PLACED, it_was_held(), it_was_cancelled(), because="before held"),
        reaching(
            "held",
            *PART_DELIVERED,
            a_return_was_requested(),
            it_was_held(),
            because="before return_requested",
        ),
        reaching(
            "return_requested",
            *RETURN_APPROVED,
            a_return_was_requested("return-2"),
            because="before return_approved",
        ),
        reaching(
            "return_requested",
            *PART_RETURNED,
            a_return_was_requested("return-2"),
            because="before part_returned",
        ),
        reaching("completed", *PART_RETURNED, it_was_completed(), because="before part_returned"),
        reaching(
            "part_returned",
            *PART_DELIVERED,
            a_return_was_requested(),
            a_return_was_approved(),
            a_return_was_received(),
            a_payment_was_refunded("73.19"),
            because="before part_delivered",
        ),
        reaching(
            "delivered",
            *RETURN_APPROVED,
            ReturnReceived(return_id="return-1", items=(ReceivedItem(line_id=1, quantity=0),)),
            because="when nothing came back",
        ),
    ],
)
def test_the_first_definition_that_holds_is_the_status(
    past: Sequence[OrderEvent], status: str
) -> None:
    assert after(past).status == status


def test_every_status_of_the_contract_has_one_definition() -> None:
    defined = [definition.status for definition in DEFINITIONS]
    assert sorted(defined) == sorted(get_args(Status))
    assert len(set(defined)) == 18
    assert all(definition.meaning for definition in DEFINITIONS)


def test_the_last_definition_holds_for_every_order() -> None:
    order = after(COMPLETED)
    assert DEFINITIONS[-1].holds(Standing(order, order.units, order.balance))


def test_a_line_that_was_shipped_in_part_may_be_all_delivered_when_its_rest_is_cancelled() -> None:
    rest = LineCancelled(line_id=1, quantity=10, reason="out of stock")
    order = after((*PART_DELIVERED, rest))
    assert order.status == "refund_due"
    assert after((*PART_DELIVERED, rest, a_payment_was_refunded("365.94"))).status == "delivered"
