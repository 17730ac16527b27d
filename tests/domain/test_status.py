"""Each status of the contract, and which of several that hold is the one that is told."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, get_args

import pytest

from ordering.domain import status as statuses
from ordering.domain.events import CouponApplied, LineCancelled, ReturnReceived
from ordering.domain.parts import Coupon, ReceivedItem
from ordering.domain.status import DEFINITIONS, Standing
from ordering.domain.values import Status
from tests.domain.laws import check
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
    a_line_was_added,
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
    an_order_was_placed,
    it_was_cancelled,
    it_was_completed,
    it_was_confirmed,
    it_was_held,
    it_was_released,
    items_were_shipped,
    pasts,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ordering.domain.events import OrderEvent

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
FREE = (
    an_order_was_placed(shipping_fee=Decimal("0.00")),
    CouponApplied(coupon=Coupon(code="GIFT", percent_off=Decimal(100))),
)
FREE_BACK = (*FREE, it_was_confirmed(), *ALL_BACK[len(PAID) :])
"""Nothing of it was ever owed, so nothing is refunded."""


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
        reaching("returned", *FREE_BACK),
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


@pasts(
    *(CONFIRMED, PART_PAID, PAID, IN_FULFILMENT, PART_SHIPPED, SHIPPED, PART_DELIVERED, DELIVERED),
    *(PART_RETURNED, COMPLETED, FREE_BACK, REFUNDED, RETURN_APPROVED, RETURN_REQUESTED),
    *((*PLACED, it_was_held()), CANCELLED, (*PAID, it_was_cancelled())),
)
def test_the_laws_object_when_a_status_is_never_told(
    monkeypatch: pytest.MonkeyPatch, past: Sequence[OrderEvent]
) -> None:
    order = after(past)
    check(order)
    others = [each for each in DEFINITIONS if each.status != order.status]
    monkeypatch.setattr(statuses, "DEFINITIONS", others)
    with pytest.raises(AssertionError):
        check(order)


def otherwise(
    status: str, holds: Callable[[Standing], bool], *past: OrderEvent, because: str
) -> object:
    return pytest.param(status, holds, past, id=f"{status} {because}")


@pytest.mark.parametrize(
    ("status", "holds", "past"),
    [
        otherwise(
            "refund_due",
            lambda now: now.balance.due_back > 100,
            *(*PAID, a_line_was_cancelled(1)),
            because="if it is much",
        ),
        otherwise(
            "cancelled",
            lambda now: any(line.cancelled == line.ordered for line in now.order.lines),
            *(*PLACED, a_line_was_added(), a_line_was_cancelled(2, line_id=2)),
            because="if one line is",
        ),
        otherwise(
            "held",
            lambda now: now.order.held and now.order.confirmed,
            *(*PLACED, it_was_held()),
            because="if confirmed",
        ),
        otherwise(
            "return_requested",
            lambda now: any(part.state != "approved" for part in now.order.returns),
            *(*RETURN_REQUESTED, a_return_was_rejected()),
            because="though it was decided",
        ),
        otherwise(
            "return_approved",
            lambda now: any(part.state in {"approved", "rejected"} for part in now.order.returns),
            *(*RETURN_REQUESTED, a_return_was_rejected()),
            because="though it was rejected",
        ),
        otherwise(
            "refunded",
            lambda now: now.units.kept == 0,
            *FREE_BACK,
            because="though nothing was paid",
        ),
        otherwise(
            "returned",
            lambda now: now.units.returned > 0,
            *PART_RETURNED,
            because="though some are kept",
        ),
        otherwise(
            "completed",
            lambda now: (
                now.units.to_ship == 0
                and now.units.delivered == now.units.shipped
                and now.units.lines > 1
            ),
            *COMPLETED,
            because="if more than one line is delivered",
        ),
        otherwise(
            "part_returned",
            lambda now: bool(now.order.returns),
            *(*RETURN_REQUESTED, a_return_was_rejected()),
            because="though nothing came",
        ),
        otherwise(
            "delivered",
            lambda now: now.units.to_ship == 0 and now.units.delivered > 0,
            *(*PART_DELIVERED, items_were_shipped("ship-2", 10)),
            because="though the rest is on its way",
        ),
        otherwise(
            "part_delivered",
            lambda now: now.units.shipped > 1,
            *PART_SHIPPED,
            because="though on its way",
        ),
        otherwise(
            "shipped",
            lambda now: now.units.to_ship <= 10,
            *PART_SHIPPED,
            because="though some are to ship",
        ),
        otherwise(
            "part_shipped",
            lambda now: bool(now.order.shipments),
            *(*SHIPPED, a_shipment_was_lost()),
            because="though it was lost",
        ),
        otherwise(
            "in_fulfilment",
            lambda now: now.order.confirmed and now.balance.owed == 0,
            *PAID,
            because="though nobody works on it",
        ),
        otherwise("paid", lambda now: now.balance.owed == 0, *FREE, because="though not confirmed"),
        otherwise(
            "part_paid",
            lambda now: now.order.confirmed and now.balance.captured > now.balance.owed,
            *PART_PAID,
            because="if more than is owed",
        ),
        otherwise(
            "part_paid",
            lambda now: now.order.confirmed and now.balance.authorized > 0,
            *AUTHORIZED,
            because="though only promised",
        ),
        otherwise("confirmed", lambda _: True, *PLACED, because="always"),
    ],
)
def test_the_laws_object_to_another_definition(
    monkeypatch: pytest.MonkeyPatch,
    status: str,
    holds: Callable[[Standing], bool],
    past: Sequence[OrderEvent],
) -> None:
    order = after(past)
    check(order)
    changed = [d._replace(holds=holds) if d.status == status else d for d in DEFINITIONS]
    monkeypatch.setattr(statuses, "DEFINITIONS", changed)
    with pytest.raises(AssertionError):
        check(order)
