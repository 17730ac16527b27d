"""Finding orders."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import pytest

from ordering.domain.events import OrderLineRemoved, ShippingAddressChanged
from ordering.read_side import searching
from ordering.read_side.searching import searchable
from queries import search_orders
from tests.callers import OPERATORS
from tests.domain.vocabulary import (
    BERLIN,
    PLACED,
    SHIPPED,
    a_line_was_added,
    an_order_was_placed,
)
from tests.integration.projections import apply, batch, new_order, records_of
from tests.integration.requests import body_of, request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordering.domain.events import OrderEvent
    from ordering.read_side.shapes import Document
    from ordering.runtime.postgres import Database, Row

SAMPLE: Final = {"q": "berlin", "currency": "EUR", "order_by": "total"}
ALL_FIELDS: Final = {
    "q": "berlin",
    "status": "placed",
    "customer_id": "c",
    "sku": "s",
    "from": "2026-01-01T00:00:00Z",
    "to": "2026-01-01T00:00:00Z",
    "min_total": "1",
    "max_total": "1",
    "currency": "EUR",
    "order_by": "total",
    "limit": "5",
    "cursor": "c",
}
CALLERS: Final = OPERATORS


def example_rows(documents: Mapping[str, Document]) -> list[Row]:
    """Return what the question's SQL selects when the sample's order is the only one."""
    document = documents["order_search"]
    return [
        (True, False, json.dumps(document["item"]), document["total"], document["item"]["order_id"])
    ]


def an_order(projector: Database, *facts: OrderEvent) -> str:
    order_id = new_order()
    assert apply(projector, batch({0: records_of(order_id, facts)})) == []
    return order_id


def ask(queries: Database, **query: str) -> Any:  # noqa: ANN401 - any answer's body
    answer = search_orders.handler.using(queries)(request(query=query), None)
    assert answer["statusCode"] == 200, answer["body"]
    return body_of(answer)


def found(queries: Database, **query: str) -> list[str]:
    return [item["order_id"] for item in ask(queries, **query)["items"]]


def addressed(name: str, city: str) -> OrderEvent:
    address = BERLIN.model_copy(update={"name": name, "city": city})
    return an_order_was_placed(shipping_address=address)


def test_an_order_is_found_by_each_of_its_texts(projector: Database, queries: Database) -> None:
    order_id = an_order(projector, *SHIPPED)
    an_order(projector, addressed("Nobody", "Elsewhere"), a_line_was_added())
    (item,) = ask(queries, q=order_id)["items"]
    assert (item["status"], item["shipping_city"]) == ("shipped", "Berlin")
    for text in ("berlin", "BERLIN", "anders berlin", "erli"):
        assert found(queries, q=text) == [order_id], text
    assert len(found(queries, q="alfki")) == 2
    assert found(queries, q="berlin elsewhere") == []


def test_what_was_changed_is_found_as_it_is_now(projector: Database, queries: Database) -> None:
    bonn = ShippingAddressChanged(shipping_address=BERLIN.model_copy(update={"city": "Bonn"}))
    order_id = an_order(projector, *PLACED, a_line_was_added(), OrderLineRemoved(line_id=1), bonn)
    assert found(queries, q="bonn") == [order_id]
    assert found(queries, q="berlin") == []
    assert found(queries, sku="39") == [order_id]
    assert found(queries, sku="28") == []


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("José Núñez", "jose NUNEZ"),
        ("José", "Jose\u0301"),
        ("Straße", "STRASSE"),
        ("東京商店", "東京"),
        ("Иван", "иван"),
        ("Box 📦 Ltd", "📦"),
        ("100% cotton", "100%"),
        ("snake_case", "snake_case"),
        (r"C:\temp", r"C:\temp"),
        ('O\'Neill "Tim"', "o'neill"),
        ("Robert'); drop table orders;--", "robert');"),
    ],
)
def test_words_are_found_in_any_script_and_literally(
    projector: Database, queries: Database, name: str, asked: str
) -> None:
    order_id = an_order(projector, addressed(name, "Xxx"))
    an_order(projector, addressed("1000 cottons, snakeXcase, C:temp", "Xxx"))
    assert found(queries, q=asked) == [order_id]


@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        ({"from": "2026-03-01T00:00:00Z"}, True),
        ({"from": "2026-03-01T00:00:00.000001Z"}, False),
        ({"to": "2026-03-01T00:00:00Z"}, False),
        ({"to": "2026-03-01T01:00:00.000001+01:00"}, True),
        ({"min_total": "578.37"}, True),
        ({"min_total": "578.38"}, False),
        ({"max_total": "578.37"}, True),
        ({"max_total": "578.36"}, False),
        ({"order_by": "total", "min_total": "578.37", "max_total": "578.37"}, True),
    ],
)
@pytest.mark.parametrize("words", [{}, {"q": "berlin"}])
def test_ranges_of_time_end_before_and_of_amounts_with_their_last_value(
    projector: Database,
    queries: Database,
    query: dict[str, str],
    words: dict[str, str],
    *,
    is_found: bool,
) -> None:
    order_id = an_order(projector, an_order_was_placed(placed_at=datetime(2026, 3, 1, tzinfo=UTC)))
    assert found(queries, currency="EUR", **query, **words) == [order_id] * is_found


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"q": "ab"}, "/q"),
        ({"q": "% _"}, "/q"),
        ({"q": " "}, "/q"),
        ({"q": "a\x00bc"}, "/q"),
        ({"q": "x" * 10_000}, "/q"),
        ({"q": "abc a b c d e f g h"}, "/q"),
        ({"limit": "0"}, "/limit"),
        ({"limit": "101"}, "/limit"),
        ({"limit": "ten"}, "/limit"),
        ({"from": "2026-01-01"}, "/from"),
        ({"from": "2026-02-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "/to"),
        ({"min_total": "1.00"}, "/currency"),
        ({"order_by": "total"}, "/currency"),
        ({"min_total": "2", "max_total": "1", "currency": "EUR"}, "/max_total"),
        ({"min_total": "1.001", "currency": "EUR"}, "/min_total"),
        ({"max_total": "1.5", "currency": "JPY"}, "/max_total"),
        ({"status": "lost"}, "/status"),
        ({"order_by": "status"}, "/order_by"),
        ({"colour": "red"}, "/colour"),
    ],
)
def test_a_wrong_question_is_refused_with_the_field_named(
    queries: Database, query: Mapping[str, str], field: str
) -> None:
    answer = search_orders.handler.using(queries)(request(query=query), None)
    assert answer["statusCode"] == 422
    assert field in [error["pointer"] for error in body_of(answer)["errors"]]


def test_a_cursor_of_another_question_is_refused(projector: Database, queries: Database) -> None:
    for _ in range(2):
        an_order(projector, *PLACED)
    cursor = ask(queries, limit="1")["next_cursor"]
    for other in ({"status": "placed"}, {"order_by": "total", "currency": "EUR"}, {"q": "berlin"}):
        query = {"cursor": cursor, "limit": "1", **other}
        answer = search_orders.handler.using(queries)(request(query=query), None)
        assert (answer["statusCode"], body_of(answer)["code"]) == (400, "bad-cursor")


def test_a_page_ends_after_so_many_orders_and_goes_on_there(
    projector: Database, queries: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = [datetime(2026, 1, day, tzinfo=UTC) for day in range(1, 13)]
    orders = [an_order(projector, an_order_was_placed(placed_at=each)) for each in at]
    dearer = an_order(projector, an_order_was_placed(placed_at=at[1]), a_line_was_added())
    monkeypatch.setattr(searching, "GLANCED_AT", 2)
    monkeypatch.setattr(searching, "MOST_WALKED", 5)
    monkeypatch.setattr(searching, "MOST_HITS", 3)

    def pages(**query: str) -> list[list[str]]:
        bodies = [ask(queries, **query)]
        while cursor := bodies[-1]["next_cursor"]:
            bodies.append(ask(queries, cursor=cursor, **query))
        return [[item["order_id"] for item in body["items"]] for body in bodies]

    # Every order has the word: they are walked, newest first, five at a time.
    assert pages(q="berlin", min_total="600", currency="EUR") == [[], [], [dearer]]
    whole = [each for page in pages(q="berlin", limit="2") for each in page]
    assert sorted(whole) == sorted([*orders, dearer])
    assert whole[:3] == orders[:-4:-1]


def test_the_form_that_is_searched_has_only_ascii() -> None:
    assert searchable("Żółć ǅ ß 東") == "zo\x01000142c dz ss \x01006771"
