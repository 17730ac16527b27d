"""What was sold, per day and currency."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import pytest

from ordering.read_side.business_time import day_of
from queries import get_sales_by_day
from tests.callers import OPERATORS
from tests.domain.vocabulary import (
    CONFIRMED,
    PLACED,
    RETURN_RECEIVED,
    a_line_was_cancelled,
    a_payment_was_refunded,
    it_was_cancelled,
)
from tests.integration.projections import apply, batch, new_order, records_of
from tests.integration.requests import body_of, request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordering.domain.events import OrderEvent
    from ordering.read_side.shapes import Document
    from ordering.runtime.postgres import Database, Row

SAMPLE: Final = {"from": "2026-01-01", "to": "2027-01-01", "currency": "EUR"}
CALLERS: Final = OPERATORS
FIRST_DAY: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)


def example_rows(documents: Mapping[str, Document]) -> list[Row]:
    """Return what the question's SQL selects when the sample's order is the only one."""
    counts = ("day", "currency", "orders", "items")
    amounts = ("gross", "discounts", "tax", "shipping", "cancelled", "returned", "refunded", "net")
    return [
        (
            part["day"],
            json.dumps(
                {name: part[name] for name in counts}
                | {
                    name: {"amount": part.get(name, "0.00"), "currency": part["currency"]}
                    for name in amounts
                }
            ),
        )
        for part in documents["sales"]["share"]
    ]


def a_day_each(projector: Database, *facts: OrderEvent) -> str:
    """Apply what happened to an order, one event on each day from the first on."""
    order_id = new_order()
    at = [FIRST_DAY + timedelta(days=n) for n in range(len(facts))]
    assert apply(projector, batch({0: records_of(order_id, facts, at)})) == []
    return order_id


def ask(queries: Database, **query: str) -> Any:  # noqa: ANN401 - any answer's body
    return body_of(get_sales_by_day.handler.using(queries)(request(query=query), None))


def test_an_order_counts_on_the_day_of_its_confirmation(
    projector: Database, queries: Database
) -> None:
    a_day_each(projector, *CONFIRMED)
    a_day_each(projector, *PLACED)
    (day,) = ask(queries)["items"]
    assert (day["day"], day["currency"], day["orders"], day["items"]) == (
        "2026-03-02",
        "EUR",
        1,
        15,
    )
    assert day["gross"] == {"amount": "513.00", "currency": "EUR"}
    assert (day["tax"]["amount"], day["shipping"]["amount"]) == ("35.91", "29.46")
    assert day["net"] == {"amount": "578.37", "currency": "EUR"}


def test_what_happens_later_counts_on_its_own_day(projector: Database, queries: Database) -> None:
    a_day_each(projector, *RETURN_RECEIVED, a_payment_was_refunded("10.00"))
    by_day = {item["day"]: item for item in ask(queries)["items"]}
    confirmed, returned, refunded = (by_day[day] for day in sorted(by_day))
    assert (confirmed["orders"], confirmed["net"]["amount"]) == (1, "578.37")
    assert returned["orders"] == 0
    assert Decimal(returned["returned"]["amount"]) == -Decimal(returned["net"]["amount"]) > 0
    assert refunded["refunded"]["amount"] == "10.00"
    assert refunded["net"]["amount"] == "0.00"


def test_a_cancelled_order_costs_nothing_in_the_end(projector: Database, queries: Database) -> None:
    a_day_each(projector, *CONFIRMED, a_line_was_cancelled(), it_was_cancelled())
    a_day_each(projector, *PLACED, it_was_cancelled())
    items = ask(queries)["items"]
    assert sum(Decimal(item["net"]["amount"]) for item in items) == 0
    assert [item["orders"] for item in items] == [1, 0, 0]
    assert all(Decimal(item["cancelled"]["amount"]) > 0 for item in items[1:])


def test_a_range_ends_before_its_last_day(projector: Database, queries: Database) -> None:
    a_day_each(projector, *CONFIRMED, a_line_was_cancelled(), a_line_was_cancelled())
    asked = ask(queries, **{"from": "2026-03-02", "to": "2026-03-04", "currency": "EUR"})
    assert [item["day"] for item in asked["items"]] == ["2026-03-02", "2026-03-03"]
    assert ask(queries, currency="USD") == {"items": [], "next_from": None}


def test_a_very_long_range_goes_on_with_a_whole_day(
    projector: Database, queries: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_day_each(projector, *CONFIRMED, a_line_was_cancelled(), a_line_was_cancelled())
    monkeypatch.setattr(get_sales_by_day, "MOST_ROWS", 2)
    asked = ask(queries)
    assert [item["day"] for item in asked["items"]] == ["2026-03-02", "2026-03-03"]
    assert asked["next_from"] == "2026-03-04"


@pytest.mark.parametrize(
    ("field", "value"),
    [("from", "yesterday"), ("to", "2026-02-30"), ("from", "0000-01-01"), ("currency", "eur")],
)
def test_a_wrong_range_is_refused_with_the_field_named(
    queries: Database, field: str, value: str
) -> None:
    answer = get_sales_by_day.handler.using(queries)(request(query={field: value}), None)
    assert answer["statusCode"] == 422
    assert field in str(body_of(answer)["errors"])


def test_days_are_those_of_the_business() -> None:
    at = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
    for zone, day in (("UTC", "2026-03-01"), ("Europe/Berlin", "2026-03-02")):
        assert day_of(at, ZoneInfo(zone)) == day
