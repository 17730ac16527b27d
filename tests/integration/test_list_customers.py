"""The list of customers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import pytest

from queries import list_customers
from tests.callers import OPERATORS
from tests.domain.vocabulary import an_order_was_placed
from tests.integration.projections import apply, batch, new_order, records_of
from tests.integration.requests import body_of, request
from tests.integration.test_get_customer_summary import example_summary

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordering.read_side.shapes import Document
    from ordering.runtime.postgres import Database, Row

SAMPLE: Final = {"order_by": "last_order", "limit": 20}
ALL_FIELDS: Final = {
    "q": "alfki",
    "order_by": "value",
    "currency": "EUR",
    "limit": "5",
    "cursor": "c",
}
CALLERS: Final = OPERATORS


def example_rows(documents: Mapping[str, Document]) -> list[Row]:
    """Return what the question's SQL selects when the sample's order is the only one."""
    customer_id = documents["customer_summary"]["customer_id"]
    summary = example_summary(documents) | {"customer_id": customer_id}
    key = (datetime.now(UTC), customer_id, summary["currency"])
    return [(True, False, json.dumps(summary), *key)]


def customers(projector: Database, *orders: tuple[str, str, int]) -> None:
    """Place orders, each of a customer, in a currency, on a day of January."""
    for customer_id, currency, day in orders:
        placed = an_order_was_placed(
            customer_id=customer_id,
            currency=currency,
            placed_at=datetime(2026, 1, day, tzinfo=UTC),
        )
        assert apply(projector, batch({0: records_of(new_order(), [placed])})) == []


def ask(queries: Database, **query: str) -> Any:  # noqa: ANN401 - any answer's body
    answer = list_customers.handler.using(queries)(request(query=query), None)
    assert answer["statusCode"] == 200, answer["body"]
    return body_of(answer)


def listed(queries: Database, **query: str) -> list[str]:
    items = ask(queries, **query)["items"]
    return [f"{item['customer_id']} {item['currency']}" for item in items]


def test_the_best_customers_come_first(projector: Database, queries: Database) -> None:
    customers(
        projector,
        ("ALFKI", "EUR", 1),
        ("ALFKI", "EUR", 2),
        ("ANATR", "EUR", 9),
        ("BERGS", "USD", 5),
        ("ALFKI", "USD", 4),
    )
    by_last_order = ["ANATR EUR", "BERGS USD", "ALFKI USD", "ALFKI EUR"]
    assert listed(queries) == by_last_order
    assert listed(queries, order_by="orders")[0] == "ALFKI EUR"
    assert listed(queries, order_by="value", currency="EUR") == ["ALFKI EUR", "ANATR EUR"]
    assert listed(queries, currency="USD") == ["BERGS USD", "ALFKI USD"]
    assert listed(queries, q="lfk") == ["ALFKI USD", "ALFKI EUR"]
    assert listed(queries, q="alf%") == []
    (first, *_) = ask(queries, order_by="orders")["items"]
    assert first["lifetime_value"] == {"amount": "1156.74", "currency": "EUR"}
    assert first["average"] == {"amount": "578.37", "currency": "EUR"}


@pytest.mark.parametrize("order_by", ["value", "orders", "last_order"])
def test_pages_follow_each_other_without_holes_or_doubles(
    projector: Database, queries: Database, order_by: str
) -> None:
    names = [f"C-{n}" for n in range(7)]
    customers(projector, *((name, "EUR", 1) for name in names))
    seen: list[str] = []
    query = {"order_by": order_by, "currency": "EUR", "limit": "3"}
    while True:
        page = ask(queries, **query)
        seen += [item["customer_id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == sorted(names, reverse=True)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"order_by": "value"}, "/currency"),
        ({"q": "al"}, "/q"),
        ({"q": "x" * 65}, "/q"),
        ({"order_by": "name"}, "/order_by"),
        ({"currency": "XXX"}, "/currency"),
    ],
)
def test_a_wrong_question_is_refused_with_the_field_named(
    queries: Database, query: Mapping[str, str], field: str
) -> None:
    answer = list_customers.handler.using(queries)(request(query=query), None)
    assert answer["statusCode"] == 422
    assert field in [error["pointer"] for error in body_of(answer)["errors"]]
