"""Lists of a customer's orders."""

from __future__ import annotations

import itertools
import json
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pytest

from queries import list_customer_orders
from tests.callers import READERS
from tests.domain.vocabulary import an_order_was_placed, it_was_confirmed
from tests.integration.projections import apply, batch, new_order, record_of
from tests.integration.requests import body_of, customer, request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordering.read_side.shapes import Document
    from ordering.runtime.postgres import Database, Row

SAMPLE: Final = {"customer_id": "SAMPLE-CUSTOMER", "limit": 20}
ALL_FIELDS: Final = {
    "customer_id": "c",
    "status": "placed",
    "from": "2026-01-01T00:00:00Z",
    "to": "2026-01-01T00:00:00Z",
    "limit": "5",
    "cursor": "c",
}
CALLERS: Final = READERS


def example_rows(documents: Mapping[str, Document]) -> list[Row]:
    """Return what the question's SQL selects of the documents of one order."""
    document = documents["customer_orders"]
    return [(json.dumps(document), datetime.now(UTC), document["order_id"])]


def test_customers_list_their_own_orders_only(queries: Database) -> None:
    listed = list_customer_orders.handler.using(queries)
    theirs = request(path={"customer_id": "ALFKI"}, claims=customer("ANATR"))
    hidden = listed(theirs, None)
    assert (hidden["statusCode"], body_of(hidden)["code"]) == (404, "customer-not-found")


def test_pages_follow_each_other_without_holes_or_doubles(
    projector: Database, queries: Database
) -> None:
    # Several orders share each instant: the order id decides among them.
    days = itertools.cycle(datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2, 3))
    orders = {new_order(): next(days) for _ in range(10)}
    apply(
        projector,
        batch(
            {0: [record_of(o, 1, an_order_was_placed(placed_at=at)) for o, at in orders.items()]}
        ),
    )
    ask = list_customer_orders.handler.using(queries)
    seen: list[str] = []
    query = {"limit": "3"}
    for _ in range(4):
        page = body_of(ask(request(path={"customer_id": "ALFKI"}, query=query), None))
        seen += [item["order_id"] for item in page["items"]]
        query["cursor"] = page["next_cursor"]
    assert page["next_cursor"] is None
    newest_first = sorted(orders, key=lambda o: (orders[o], uuid.UUID(o)), reverse=True)
    assert seen == newest_first


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"limit": "0"}, 422, "invalid-request"),
        ({"limit": "101"}, 422, "invalid-request"),
        *(
            ({"limit": limit}, 422, "invalid-request")
            for limit in ("many", "1_0", "+5", " 5", "05", "5.0", "\N{FULLWIDTH DIGIT FIVE}")
        ),
        ({"from": "yesterday"}, 422, "invalid-request"),
        ({"surprise": "1"}, 422, "invalid-request"),
        ({"cursor": "bm90IG91cnM"}, 400, "bad-cursor"),
    ],
)
def test_bad_parameters_are_refused(
    queries: Database, query: dict[str, str], status: int, code: str
) -> None:
    answer = list_customer_orders.handler.using(queries)(
        request(path={"customer_id": "ALFKI"}, query=query), None
    )
    assert (answer["statusCode"], body_of(answer)["code"]) == (status, code)


def test_lists_are_filtered(projector: Database, queries: Database) -> None:
    old, new = new_order(), new_order()
    first, second = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
    apply(
        projector,
        batch(
            {
                0: [
                    record_of(old, 1, an_order_was_placed(placed_at=first)),
                    record_of(old, 2, it_was_confirmed()),
                    record_of(new, 1, an_order_was_placed(placed_at=second)),
                ]
            }
        ),
    )
    ask = list_customer_orders.handler.using(queries)

    def found(**query: str) -> list[str]:
        answer = ask(request(path={"customer_id": "ALFKI"}, query=query), None)
        return [item["order_id"] for item in json.loads(answer["body"])["items"]]

    assert found() == [new, old]
    assert found(status="confirmed") == [old]
    assert found(to="2026-02-01T00:00:00Z") == [old]
    assert found(**{"from": "2026-02-01T00:00:00Z"}) == [new]
