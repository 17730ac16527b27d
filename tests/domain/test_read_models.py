"""What each event does to each read model."""

from __future__ import annotations

from decimal import Decimal
from functools import reduce
from typing import TYPE_CHECKING, Any

import pytest

from ordering.delivery.published import PublishedEvent
from ordering.domain.events import (
    CouponApplied,
    CouponRemoved,
    LineQuantityChanged,
    NoteAdded,
    OrderLineRemoved,
    ShippingAddressChanged,
)
from ordering.domain.evolution import record
from ordering.domain.parts import Coupon
from projectors import customer_orders, order_details
from tests.domain.vocabulary import (
    AUTHORIZED,
    BERLIN,
    COMPLETED,
    DELIVERED,
    IN_FULFILMENT,
    NOW,
    PAID,
    PLACED,
    RETURN_APPROVED,
    RETURN_RECEIVED,
    RETURN_REQUESTED,
    SHIPPED,
    TOTAL,
    a_line_was_added,
    a_line_was_cancelled,
    a_payment_was_declined,
    a_payment_was_refunded,
    a_shipment_was_lost,
    an_order_was_placed,
    it_was_cancelled,
    it_was_confirmed,
    it_was_held,
    it_was_released,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ordering.domain.events import OrderEvent
    from ordering.read_side.shapes import Document

    Fold = Callable[[Document | None, PublishedEvent], Document]


TEN = Coupon(code="TEN", percent_off=Decimal(10))
REFUNDED = (*RETURN_RECEIVED, a_payment_was_refunded("73.19"))
MOVED = ShippingAddressChanged(shipping_address=BERLIN.model_copy(update={"city": "Bonn"}))


def published(*events: OrderEvent) -> list[PublishedEvent]:
    return [
        PublishedEvent(
            order_id="01900000-0000-7000-8000-000000000001",
            version=version,
            time=NOW,
            actor="operator",
            correlation_id="c",
            traceparent="t",
            fact=recorded.fact,
            after=recorded.after,
        )
        for version, recorded in enumerate(record(None, events)[0], start=1)
    ]


def folded(fold: Fold, *events: OrderEvent) -> Document:
    document: Document | None = None
    document = reduce(fold, published(*events), document)
    assert document is not None
    return document


def test_order_details_shows_a_placed_order_with_lines_and_totals() -> None:
    document = folded(order_details.fold, an_order_was_placed())
    assert document["status"] == "placed"
    assert document["lines"][0]["total"] == {"amount": "513.00", "currency": "EUR"}
    assert document["totals"]["total"] == {"amount": "578.37", "currency": "EUR"}
    assert document["shipping_address"]["city"] == "Berlin"
    assert document["placed_at"] == "2026-11-22T12:00:00.000000Z"


def test_order_details_shows_confirmation_and_cancellation() -> None:
    document = folded(
        order_details.fold, an_order_was_placed(), it_was_confirmed(), it_was_cancelled()
    )
    assert document["version"] == 3
    assert document["status"] == "cancelled"
    assert document["confirmed_at"] == document["cancelled_at"] == "2026-11-22T12:00:00.000000Z"
    assert document["cancellation_reason"] == "ordered twice"


def test_an_order_whose_last_units_are_cancelled_says_when_and_why() -> None:
    past = (an_order_was_placed(), a_line_was_cancelled(14))
    document = folded(order_details.fold, *past)
    assert (document["cancelled_at"], document["cancellation_reason"]) == (None, None)
    document = folded(order_details.fold, *past, a_line_was_cancelled(1))
    assert document["status"] == "cancelled"
    assert document["cancelled_at"] == document["updated_at"]
    assert document["cancellation_reason"] == "out of stock"
    later = folded(order_details.fold, *past, a_line_was_cancelled(1), NoteAdded(text="n"))
    assert later["cancellation_reason"] == "out of stock"


def test_customer_orders_counts_lines_and_items() -> None:
    document = folded(customer_orders.fold, an_order_was_placed(), it_was_confirmed())
    assert document["version"] == 2
    assert document["status"] == "confirmed"
    assert (document["line_count"], document["item_count"]) == (1, 15)
    assert document["total"] == {"amount": "578.37", "currency": "EUR"}


def at(document: Document, path: str) -> object:
    """Follow a JSON pointer without its first slash."""
    place: Any = document
    for step in path.split("/"):
        place = place[int(step)] if isinstance(place, list) else place[step]
    return place


NOON = "2026-11-22T12:00:00.000000Z"


@pytest.mark.parametrize(
    ("past", "path", "expected"),
    [
        ((*PLACED, it_was_held()), "held", {"since": NOON, "reason": "the address looks wrong"}),
        ((*PLACED, it_was_held(), it_was_released()), "held", None),
        (IN_FULFILMENT, "fulfilment", {"started_at": NOON, "warehouse": "BER-1"}),
        (COMPLETED, "completed_at", NOON),
        ((*PLACED, CouponApplied(coupon=TEN)), "coupon/percent_off", "10"),
        ((*PLACED, CouponApplied(coupon=TEN)), "totals/discount/amount", "51.30"),
        ((*PLACED, CouponApplied(coupon=TEN)), "lines/0/coupon_share/amount", "51.30"),
        ((*PLACED, CouponApplied(coupon=TEN), CouponRemoved(code="TEN")), "coupon", None),
        (
            (*PLACED, CouponApplied(coupon=TEN), CouponRemoved(code="TEN")),
            "totals/discount/amount",
            "0.00",
        ),
        ((*PLACED, MOVED), "shipping_address/city", "Bonn"),
        ((*PLACED, a_line_was_added()), "lines/1/sku", "39"),
        ((*PLACED, a_line_was_added()), "units/lines", 2),
        ((*PLACED, a_line_was_added(), OrderLineRemoved(line_id=1)), "lines/0/line_id", 2),
        ((*PLACED, a_line_was_added(), OrderLineRemoved(line_id=1)), "units/lines", 1),
        ((*PLACED, LineQuantityChanged(line_id=1, quantity=2)), "lines/0/ordered", 2),
        ((*PLACED, a_line_was_cancelled(3)), "lines/0/cancelled", 3),
        ((*PLACED, NoteAdded(text="ring twice")), "notes/0/text", "ring twice"),
        ((*PLACED, NoteAdded(text="a"), NoteAdded(text="b")), "notes/1/actor", "operator"),
        (AUTHORIZED, "payments/0/authorized/amount", TOTAL),
        (AUTHORIZED, "balance/owed/amount", TOTAL),
        (PAID, "payments/0/captured", {"amount": TOTAL, "currency": "EUR"}),
        (PAID, "balance/owed/amount", "0.00"),
        ((*AUTHORIZED, a_payment_was_declined()), "payments/0/declined", True),
        (SHIPPED, "shipments/0/items", [{"line_id": 1, "quantity": 15}]),
        (SHIPPED, "shipments/0/shipped_at", NOON),
        (SHIPPED, "shipments/0/delivered_at", None),
        (DELIVERED, "shipments/0/state", "delivered"),
        (DELIVERED, "lines/0/delivered", 15),
        ((*SHIPPED, a_shipment_was_lost()), "shipments/0/state", "lost"),
        ((*SHIPPED, a_shipment_was_lost()), "lines/0/lost", 15),
        (RETURN_REQUESTED, "returns/0/items/0/reason", "two jars are broken"),
        (RETURN_APPROVED, "returns/0/state", "approved"),
        (RETURN_RECEIVED, "returns/0/received", [{"line_id": 1, "quantity": 2}]),
        (RETURN_RECEIVED, "balance/due_back/amount", "73.19"),
        (REFUNDED, "refunds/0/amount/amount", "73.19"),
        (
            (*RETURN_RECEIVED, a_payment_was_refunded("73.19")),
            "payments/0/refunded/amount",
            "73.19",
        ),
    ],
)
def test_order_details_shows_what_each_fact_says(
    past: Sequence[OrderEvent], path: str, expected: object
) -> None:
    assert at(folded(order_details.fold, *past), path) == expected


def test_customer_orders_follows_what_is_kept_and_what_it_costs() -> None:
    document = folded(customer_orders.fold, *RETURN_RECEIVED)
    assert (document["status"], document["item_count"]) == ("refund_due", 13)
    assert document["total"] == {"amount": "505.18", "currency": "EUR"}


@pytest.mark.parametrize("fold", [order_details.fold, customer_orders.fold])
def test_an_order_starts_with_its_first_event(fold: Fold) -> None:
    *_, confirmed = published(an_order_was_placed(), it_was_confirmed())
    with pytest.raises(ValueError, match="does not have this order"):
        fold(None, confirmed)
