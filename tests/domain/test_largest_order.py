"""What was accepted can be published and read: the largest event and answer that there may be."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import reduce

import pytest

from ordering.delivery.envelope import write_event
from ordering.domain import limits
from projectors import customer_orders, order_details
from tests.domain.largest_order import (
    ACTOR,
    NOW,
    ORDER_ID,
    WIDE,
    LargestOrder,
    grown_up,
    money,
    part_id,
    up_to_its_largest_event,
)

KAFKA_BYTES = 1_048_576
"""The most that the producer sends as one record, with its key and headers."""
LAMBDA_BYTES = 6_291_556
"""The most that a function answers, as Lambda's own error message gives it."""


@pytest.fixture(scope="module")
def largest() -> LargestOrder:
    largest = up_to_its_largest_event()
    largest.accept("receive_return", return_id=part_id(0))
    grown_up(largest)
    return largest


def test_its_largest_event_can_be_published(largest: LargestOrder) -> None:
    sizes = {len(event.data().encode()): event for event in largest.events}
    size, event = max(sizes.items())
    assert type(event.fact).__name__ == "ReturnReceived"
    assert 0.7 * limits.MAX_EVENT_BYTES < size <= limits.MAX_EVENT_BYTES
    record = write_event(
        order_id=ORDER_ID,
        version=999_999_999,
        event_type="ReturnReceived",
        schema_version=1,
        data=as_jsonb(event.data()),
        metadata={
            "actor": ACTOR,
            "correlation_id": "c" * 128,
            "causation_id": "k" * 255,
            "traceparent": "00-" + "0" * 52,
        },
        recorded_at=NOW,
    )
    room = limits.MAX_EVENT_BYTES - size
    assert len(record) + 1.15 * room < KAFKA_BYTES


def as_jsonb(data: str) -> str:
    """Write JSON as PostgreSQL gives it out, with a space after each colon and comma."""
    return json.dumps(json.loads(data), ensure_ascii=False)


def test_its_answer_can_be_sent(largest: LargestOrder) -> None:
    document = reduce(order_details.fold, largest.published(), None)
    answer = json.dumps(document, ensure_ascii=False)
    assert 0.9 * limits.MAX_ANSWER_BYTES < len(answer.encode()) <= limits.MAX_ANSWER_BYTES
    # Lambda's runtime clients before Python 3.12 write what is not ASCII as \u escapes.
    for ascii_only in (True, False):
        response = json.dumps({"statusCode": 200, "body": answer}, ensure_ascii=ascii_only)
        assert len(response.encode()) < LAMBDA_BYTES


def test_a_page_of_such_orders_can_be_sent(largest: LargestOrder) -> None:
    item = reduce(customer_orders.fold, largest.published(), None)
    assert 100 * len(json.dumps(item)) < LAMBDA_BYTES / 2


ITEM = {"line_id": 1, "quantity": 1}
ONE = money(Decimal(1))


@pytest.mark.parametrize(
    ("stem", "command", "code"),
    [
        ("add_note", {"text": "n"}, "too-many-notes"),
        (
            "ship_items",
            {"shipment_id": "one-more", "carrier": "DHL", "items": [ITEM]},
            "too-many-shipments",
        ),
        (
            "request_return",
            {"return_id": "one-more", "items": [{**ITEM, "reason": "r"}]},
            "too-many-returns",
        ),
        (
            "refund_payment",
            {
                "refund_id": "one-more",
                "payment_id": part_id(50),
                "amount": ONE,
                "reason": "r",
            },
            "too-many-refunds",
        ),
        (
            "authorize_payment",
            {"payment_id": "one-more", "method": "card", "amount": ONE},
            "too-many-payments",
        ),
    ],
)
def test_it_takes_no_more(
    largest: LargestOrder, stem: str, command: dict[str, object], code: str
) -> None:
    largest.send("release_order")
    assert largest.send(stem, **command) == code


def test_what_was_sent_before_is_known_also_at_the_limits(largest: LargestOrder) -> None:
    order = largest.placed
    payment = order.payments[-1]
    amount = money(payment.authorized)
    method = WIDE * 64
    largest.accept("authorize_payment", payment_id=payment.payment_id, method=method, amount=amount)
    assert largest.placed is order


def test_reasons_of_returns_have_a_limit_in_bytes() -> None:
    largest = up_to_its_largest_event()
    line_ids = [line.line_id for line in largest.placed.lines]
    items = [{"line_id": id_, "quantity": 1, "reason": WIDE * 2} for id_ in line_ids]
    assert largest.send("request_return", return_id="r", items=items) == "return-text-too-long"
    assert largest.send("request_return", return_id="r", items=items[:1]) is None


def test_notes_have_a_limit_in_bytes_too() -> None:
    largest = LargestOrder()
    largest.accept(
        "place_order",
        customer_id="ALFKI",
        currency="EUR",
        lines=[{"sku": "1", "quantity": 1, "unit_price": {"amount": "1", "currency": "EUR"}}],
        shipping_address={"name": "M", "street": "S", "city": "B", "country": "DE"},
    )
    note = WIDE * 2_000
    fitting = limits.MAX_NOTE_TEXT_BYTES // (4 * 2_000)
    for _ in range(fitting):
        largest.accept("add_note", text=note)
    assert largest.send("add_note", text="n") == "too-many-notes"


def test_names_of_lines_have_a_limit_in_bytes() -> None:
    largest = LargestOrder()
    line = {
        "sku": WIDE * 64,
        "name": WIDE * 200,
        "quantity": 1,
        "unit_price": {"amount": "1", "currency": "EUR"},
    }
    largest.accept(
        "place_order",
        customer_id="ALFKI",
        currency="EUR",
        lines=[line],
        shipping_address={"name": "M", "street": "S", "city": "B", "country": "DE"},
    )
    lines = limits.MAX_LINE_TEXT_BYTES // (4 * 264)
    for _ in range(lines - 1):
        largest.accept("add_order_line", **line)
    assert largest.send("add_order_line", **line) == "line-text-too-long"
    assert largest.send("add_order_line", **line | {"sku": "1", "name": None}) is None
