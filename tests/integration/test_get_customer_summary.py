"""What a customer ordered, per currency."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from queries import get_customer_summary
from tests.callers import READERS
from tests.domain.vocabulary import an_order_was_placed, it_was_cancelled, it_was_confirmed
from tests.integration.projections import apply, batch, new_order, record_of
from tests.integration.requests import body_of, customer, request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordering.read_side.shapes import Document
    from ordering.runtime.postgres import Database, Row

SAMPLE: Final = {"customer_id": "SAMPLE-CUSTOMER"}
ALL_FIELDS: Final = {"customer_id": "c"}
CALLERS: Final = READERS


def example_rows(documents: Mapping[str, Document]) -> list[Row]:
    """Return what the question's SQL selects when the sample's order is the only one."""
    summary = example_summary(documents)
    return [(json.dumps(summary), summary["first_order_at"], summary["last_order_at"])]


def example_summary(documents: Mapping[str, Document]) -> dict[str, Any]:
    """Return what is known of the customer when the sample's order is the only one."""
    (share,) = documents["customer_summary"]["share"]
    currency = share["currency"]
    money = {
        name: {"amount": share[of], "currency": currency}
        for name, of in {
            "lifetime_value": "lifetime_value",
            "average": "lifetime_value",
            "refunded": "refunded",
        }.items()
    }
    names = ("orders", "cancelled", "returns", "first_order_at", "last_order_at")
    return {"currency": currency, **{name: share[name] for name in names}, **money}


def test_sums_are_per_customer_and_currency(projector: Database, queries: Database) -> None:
    first, second, cancelled = new_order(), new_order(), new_order()
    early, late = (datetime(2026, 1, day, tzinfo=UTC) for day in (1, 9))
    records: list[bytes | None] = [
        record_of(first, 1, an_order_was_placed(placed_at=late)),
        record_of(second, 1, an_order_was_placed(placed_at=early)),
        record_of(cancelled, 1, an_order_was_placed(placed_at=early)),
        record_of(cancelled, 2, it_was_cancelled()),
        record_of(first, 2, it_was_confirmed()),
    ]
    assert apply(projector, batch({0: records})) == []
    assert apply(projector, batch({0: records})) == []
    answer = get_customer_summary.handler.using(queries)(
        request(path={"customer_id": "ALFKI"}, claims=customer("ALFKI")), None
    )
    body = body_of(answer)
    assert body["first_order_at"] == "2026-01-01T00:00:00.000000Z"
    (euros,) = body["currencies"]
    assert (euros["orders"], euros["cancelled"], euros["returns"]) == (2, 1, 0)
    assert euros["lifetime_value"] == {"amount": "1156.74", "currency": "EUR"}
    assert euros["average"] == {"amount": "578.37", "currency": "EUR"}
    assert euros["last_order_at"] == "2026-01-09T00:00:00.000000Z"


def test_a_customer_without_orders_has_no_sums(projector: Database, queries: Database) -> None:
    del projector
    answer = get_customer_summary.handler.using(queries)(request(path={"customer_id": "X"}), None)
    assert body_of(answer)["currencies"] == []


def test_others_sums_are_hidden(queries: Database) -> None:
    answer = get_customer_summary.handler.using(queries)(
        request(path={"customer_id": "ALFKI"}, claims=customer("ANATR")), None
    )
    assert (answer["statusCode"], body_of(answer)["code"]) == (404, "customer-not-found")
