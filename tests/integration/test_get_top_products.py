"""What sells best."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import pytest

from queries import get_top_products
from tests.callers import OPERATORS
from tests.domain.vocabulary import (
    CONFIRMED,
    PLACED,
    RETURN_RECEIVED,
    a_line_was_added,
    a_line_was_cancelled,
    it_was_confirmed,
)
from tests.integration.projections import apply, batch, new_order, records_of
from tests.integration.requests import body_of, request

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordering.domain.events import OrderEvent
    from ordering.read_side.shapes import Document
    from ordering.runtime.postgres import Database, Row
    from tests.databases import Databases

SAMPLE: Final = {"from": "2026-01-01", "to": "2027-01-01", "currency": "EUR", "order_by": "revenue"}
ALL_FIELDS: Final = SAMPLE | {"limit": "5"}
CALLERS: Final = OPERATORS


def example_rows(documents: Mapping[str, Document]) -> list[Row]:
    """Return what the question's SQL selects when the sample's order is the only one."""
    return [
        (
            *(part[name] for name in ("sku", "currency", "sold", "cancelled", "returned")),
            Decimal(part["revenue"]),
        )
        for part in documents["products"]["share"]
        if part["span"] == "day"
    ]


def an_order(projector: Database, days: Sequence[str], *facts: OrderEvent) -> None:
    """Apply what happened to an order, each at noon of its day, those left over on the last."""
    at = [datetime.fromisoformat(f"{day}T12:00:00").replace(tzinfo=UTC) for day in days]
    at = [*at, *[at[-1]] * (len(facts) - len(at))]
    assert apply(projector, batch({0: records_of(new_order(), facts, at)})) == []


def ask(queries: Database, **query: str) -> Any:  # noqa: ANN401 - any answer's body
    answer = get_top_products.handler.using(queries)(request(query=query), None)
    assert answer["statusCode"] == 200, answer["body"]
    return body_of(answer)["items"]


def test_what_was_sold_cancelled_and_returned_of_each_sku(
    projector: Database, queries: Database
) -> None:
    an_order(projector, ["2026-03-01"], *PLACED, a_line_was_added(), it_was_confirmed())
    an_order(projector, ["2026-03-05"], *CONFIRMED, a_line_was_cancelled(5))
    an_order(projector, ["2026-03-09"], *RETURN_RECEIVED)
    an_order(projector, ["2026-03-09"], *PLACED)
    by_sku = {item["sku"]: item for item in ask(queries)}
    most = by_sku["28"]
    assert (most["sold"], most["cancelled"], most["returned"]) == (45, 5, 2)
    assert most["quantity"] == 38
    assert most["revenue"] == {"amount": "1299.60", "currency": "EUR"}
    assert ask(queries, order_by="revenue", currency="EUR")[0]["sku"] == "28"
    assert ask(queries, currency="USD") == []


@pytest.mark.parametrize(
    ("begin", "end", "sold"),
    [
        (None, None, 5),
        ("2026-01-31", "2026-05-01", 5),
        ("2026-02-01", "2026-04-01", 3),
        ("2026-02-02", "2026-04-01", 2),
        ("2026-02-01", "2026-03-31", 2),
        ("2026-02-28", "2026-03-01", 1),
        ("2026-02-10", "2026-02-20", 0),
        ("2026-03-31", None, 2),
        (None, "2026-02-28", 2),
        ("2025-01-15", "2027-12-15", 5),
        ("2026-02-01", "2026-02-01", 0),
        ("2026-01-01", "2027-01-01", 5),
        ("2199-12-01", "2199-12-31", 0),
        ("1900-01-01", "2199-12-31", 5),
        ("1900-01-02", None, 5),
    ],
)
def test_months_and_days_make_up_every_range(
    projector: Database, queries: Database, begin: str | None, end: str | None, sold: int
) -> None:
    for day in ("2026-01-31", "2026-02-01", "2026-02-28", "2026-03-31", "2026-04-30"):
        an_order(projector, [day], *CONFIRMED)
    query = {name: day for name, day in (("from", begin), ("to", end)) if day}
    assert sum(item["sold"] for item in ask(queries, **query)) == sold * 15


def test_a_generation_with_days_and_months_alone_is_asked_for_those(
    projector: Database, queries: Database, databases: Databases
) -> None:
    for day in ("2025-12-31", "2026-01-01", "2026-02-28", "2027-03-31"):
        an_order(projector, [day], *CONFIRMED)
    ranges: list[dict[str, str]] = [
        {},
        {"from": "2026-01-01", "to": "2027-01-01"},
        {"from": "2025-12-30"},
    ]
    newest = [ask(queries, **days) for days in ranges]
    owner = databases.owner("read")
    owner.rows("delete from products_sums where span in ('year', 'all')")
    assert ask(queries) == []
    set_revision = "update generations set revision = %(revision)s where read_model = 'products'"
    owner.rows(set_revision, {"revision": 1})
    try:
        assert [ask(queries, **days) for days in ranges] == newest
    finally:
        owner.rows(set_revision, {"revision": 2})


def test_pieces_make_up_every_range_without_overlap() -> None:
    chance = random.Random(1)  # noqa: S311 - the same ranges each time
    first = date(2023, 11, 28)
    for _ in range(2000):
        begin = first + timedelta(days=chance.randrange(1200))
        end = begin + timedelta(days=chance.choice([0, 1, 30, 31, 365, 366, chance.randrange(900)]))
        fields = {"from": begin.isoformat(), "to": end.isoformat()}
        question = get_top_products.GetTopProducts.model_validate(fields)
        for pieces, most in (
            (get_top_products.pieces_of(question), 5),
            (get_top_products.pieces_of_revision_1(question), 3),
        ):
            assert len(pieces) <= most
            at = begin
            for piece in pieces:
                assert piece.begin == at
                assert piece.end > at
                assert piece.begin.day == 1 or piece.span == "day"
                assert piece.begin.month == 1 or piece.span != "year"
                at = piece.end
            assert at == end


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"from": "2026-02-30"}, "/from"),
        ({"from": "2026-03-01", "to": "2026-02-01"}, "/to"),
        ({"order_by": "revenue"}, "/currency"),
        ({"limit": "101"}, "/limit"),
    ],
)
def test_a_wrong_question_is_refused_with_the_field_named(
    queries: Database, query: Mapping[str, str], field: str
) -> None:
    answer = get_top_products.handler.using(queries)(request(query=query), None)
    assert answer["statusCode"] == 422
    assert field in [error["pointer"] for error in body_of(answer)["errors"]]
