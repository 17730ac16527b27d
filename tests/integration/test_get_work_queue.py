"""What waits for somebody."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from queries import get_work_queue
from tests.callers import OPERATORS
from tests.domain.vocabulary import (
    CANCELLED,
    CONFIRMED,
    DELIVERED,
    IN_FULFILMENT,
    PAID,
    PLACED,
    RETURN_RECEIVED,
    RETURN_REQUESTED,
    SHIPPED,
    a_line_was_cancelled,
    it_was_held,
    it_was_released,
)
from tests.integration.projections import apply, batch, new_order, records_of
from tests.integration.requests import body_of, request

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordering.domain.events import OrderEvent
    from ordering.read_side.shapes import Document
    from ordering.runtime.postgres import Database, Row

SAMPLE: Final = {"stage": "to_pay", "limit": 20}
ALL_FIELDS: Final = {"stage": "held", "limit": "5", "cursor": "c"}
CALLERS: Final = OPERATORS
BEGIN: Final = datetime(2026, 3, 1, tzinfo=UTC)


def example_rows(documents: Mapping[str, Document]) -> list[Row]:
    """Return what the question's SQL selects when the sample's order is the only one."""
    waits = documents["work_queue"]["waits"]
    counts = [
        {
            "stage": "to_pay",
            "meaning": "it is confirmed and something is owed",
            "waiting": len(waits),
            "oldest_since": row["since"],
            "oldest_age_seconds": 86400.5,
        }
        for row in waits.values()
    ]
    rows = [row | {"age_seconds": 86400.5} for row in waits.values()]
    return [
        *(("stage", json.dumps(count), None, None) for count in counts),
        *(("order", json.dumps(row), BEGIN, row["order_id"]) for row in rows),
    ]


def an_order(projector: Database, *facts: OrderEvent, begin: datetime = BEGIN) -> str:
    """Apply what happened to an order, an event each hour from the first on."""
    order_id = new_order()
    at = [begin + timedelta(hours=n) for n in range(len(facts))]
    assert apply(projector, batch({0: records_of(order_id, facts, at)})) == []
    return order_id


def ask(queries: Database, **query: str) -> Any:  # noqa: ANN401 - any answer's body
    answer = get_work_queue.handler.using(queries)(request(query=query), None)
    assert answer["statusCode"] == 200, answer["body"]
    return body_of(answer)


@pytest.mark.parametrize(
    ("past", "stages"),
    [
        (PLACED, []),
        ((*PLACED, it_was_held()), ["held"]),
        ((*PLACED, it_was_held(), it_was_released()), []),
        (CONFIRMED, ["to_pay"]),
        ((*CONFIRMED, it_was_held()), ["held", "to_pay"]),
        (PAID, ["to_fulfil"]),
        ((*PAID, it_was_held()), ["held"]),
        ((*PAID, a_line_was_cancelled()), ["to_fulfil", "to_refund"]),
        (IN_FULFILMENT, ["to_ship"]),
        ((*IN_FULFILMENT, it_was_held()), ["held"]),
        (SHIPPED, ["to_deliver"]),
        (DELIVERED, []),
        (RETURN_REQUESTED, ["to_return"]),
        (RETURN_RECEIVED, ["to_refund"]),
        (CANCELLED, []),
    ],
)
def test_an_order_is_in_every_stage_that_its_definition_says(
    projector: Database, queries: Database, past: Sequence[OrderEvent], stages: list[str]
) -> None:
    an_order(projector, *past)
    counts = ask(queries)["stages"]
    counted = {each["stage"]: each["waiting"] for each in counts}
    for each in counts:
        is_empty = each["waiting"] == 0
        assert (each["oldest_since"] is None, each["oldest_age_seconds"] is None) == (is_empty,) * 2
    assert [stage for stage, count in counted.items() if count] == stages
    assert len(counted) == 7
    for stage, count in counted.items():
        assert len(ask(queries, stage=stage)["items"]) == count


def test_those_that_have_waited_longest_come_first(projector: Database, queries: Database) -> None:
    later = an_order(projector, *CONFIRMED, begin=BEGIN + timedelta(days=1))
    first = an_order(projector, *CONFIRMED)
    page = ask(queries, stage="to_pay", limit="1")
    (item,) = page["items"]
    assert (item["order_id"], item["since"]) == (first, "2026-03-01T01:00:00.000000Z")
    assert item["amount"] == {"amount": "578.37", "currency": "EUR"}
    assert item["units"] is None
    assert item["age_seconds"] > 1000
    rest = ask(queries, stage="to_pay", limit="1", cursor=page["next_cursor"])
    assert [each["order_id"] for each in rest["items"]] == [later]
    assert rest["next_cursor"] is None
    (counts,) = [each for each in rest["stages"] if each["waiting"]]
    assert (counts["waiting"], counts["oldest_since"]) == (2, item["since"])


def test_an_order_waits_since_it_came_into_the_stage(
    projector: Database, queries: Database
) -> None:
    an_order(projector, *IN_FULFILMENT, a_line_was_cancelled(), a_line_was_cancelled())
    (item,) = ask(queries, stage="to_ship")["items"]
    came = BEGIN + timedelta(hours=len(IN_FULFILMENT) - 1)
    assert datetime.fromisoformat(item["since"]) == came
    assert item["units"] < 15


@pytest.mark.parametrize(("field", "value"), [("stage", "to_lose"), ("limit", "0")])
def test_a_wrong_question_is_refused_with_the_field_named(
    queries: Database, field: str, value: str
) -> None:
    answer = get_work_queue.handler.using(queries)(request(query={field: value}), None)
    assert answer["statusCode"] == 422
    assert [error["pointer"] for error in body_of(answer)["errors"]] == [f"/{field}"]
