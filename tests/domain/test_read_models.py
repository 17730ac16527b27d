"""What each event does to each read model."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

import pytest

from ordering.delivery.envelope import PublishedEvent
from ordering.evolution import record
from projectors import customer_orders, order_details
from tests.domain.vocabulary import (
    NOW,
    an_order_was_placed,
    it_was_cancelled,
    it_was_confirmed,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ordering.events import OrderEvent
    from ordering.read_side.projection import Document

    Fold = Callable[[Document | None, PublishedEvent], Document]


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
    assert document["placed_at"] == "2026-11-22T12:00:00.000Z"


def test_order_details_shows_confirmation_and_cancellation() -> None:
    document = folded(
        order_details.fold, an_order_was_placed(), it_was_confirmed(), it_was_cancelled()
    )
    assert document["version"] == 3
    assert document["status"] == "cancelled"
    assert document["confirmed_at"] == document["cancelled_at"] == "2026-11-22T12:00:00.000Z"
    assert document["cancellation_reason"] == "ordered twice"


def test_customer_orders_counts_lines_and_items() -> None:
    document = folded(customer_orders.fold, an_order_was_placed(), it_was_confirmed())
    assert document["version"] == 2
    assert document["status"] == "confirmed"
    assert (document["line_count"], document["item_count"]) == (1, 15)
    assert document["total"] == {"amount": "578.37", "currency": "EUR"}


@pytest.mark.parametrize("fold", [order_details.fold, customer_orders.fold])
def test_an_order_starts_with_its_first_event(fold: Fold) -> None:
    *_, confirmed = published(an_order_was_placed(), it_was_confirmed())
    with pytest.raises(ValueError, match="does not have this order"):
        fold(None, confirmed)
