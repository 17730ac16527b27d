"""What happened to an order, event by event."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from queries import get_order_history
from tests.callers import READERS
from tests.domain.vocabulary import an_order_was_placed, it_was_cancelled, it_was_confirmed
from tests.integration.projections import apply, batch, new_order, records_of
from tests.integration.requests import body_of, customer, request

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

    from ordering.domain.events import OrderEvent
    from ordering.read_side.shapes import Document
    from ordering.runtime.postgres import Database, Row

SAMPLE: Final = {"order_id": "00000000-0000-7000-8000-000000000001", "limit": 20}
ALL_FIELDS: Final = {"order_id": "o", "limit": "5", "cursor": "c"}
CALLERS: Final = READERS


def example_rows(documents: Mapping[str, Document]) -> list[Row]:
    """Return what the question's SQL selects of the documents of one order."""
    rows = documents["order_history"]["rows"]
    return [(json.dumps(row), version, False) for version, row in rows.items()]


def placed(projector: Database) -> str:
    order_id = new_order()
    events: tuple[OrderEvent, ...] = (
        an_order_was_placed(),
        it_was_confirmed(),
        it_was_cancelled(),
    )
    assert apply(projector, batch({0: records_of(order_id, events)})) == []
    return order_id


def test_each_event_says_what_it_changed(projector: Database, queries: Database) -> None:
    order_id = placed(projector)
    answer = get_order_history.handler.using(queries)(request(path={"order_id": order_id}), None)
    items = body_of(answer)["items"]
    assert [item["event"] for item in items] == ["OrderPlaced", "OrderConfirmed", "OrderCancelled"]
    assert [item["version"] for item in items] == [1, 2, 3]
    assert items[0]["changes"]["lines"][0]["sku"] == "28"
    assert items[1]["changes"] == {"status": "confirmed"}
    assert items[2]["details"] == {"reason": "ordered twice"}
    assert answer["headers"]["read-model"] == "order_history"


def test_pages_follow_each_other(projector: Database, queries: Database) -> None:
    order_id = placed(projector)
    ask = get_order_history.handler.using(queries)
    seen: list[int] = []
    query = {"limit": "2"}
    for _ in range(2):
        page = body_of(ask(request(path={"order_id": order_id}, query=query), None))
        seen += [item["version"] for item in page["items"]]
        query["cursor"] = page["next_cursor"]
    assert (seen, page["next_cursor"]) == ([1, 2, 3], None)


def test_a_page_ends_before_it_is_too_large(
    projector: Database, queries: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = placed(projector)
    ask = get_order_history.handler.using(queries)
    for most_bytes, sizes in ((1, [1, 1, 1]), (1_000_000, [3])):
        monkeypatch.setattr(get_order_history, "MOST_BYTES", most_bytes)
        pages = []
        query: dict[str, str] = {}
        while query.get("cursor", "") is not None:
            page = body_of(ask(request(path={"order_id": order_id}, query=query), None))
            pages.append([item["version"] for item in page["items"]])
            query = {"cursor": page["next_cursor"]}
        assert [len(page) for page in pages] == sizes
        assert [version for page in pages for version in page] == [1, 2, 3]


def test_others_orders_have_no_history(projector: Database, queries: Database) -> None:
    order_id = placed(projector)
    ask = get_order_history.handler.using(queries)
    theirs = ask(request(path={"order_id": order_id}, claims=customer("ANATR")), None)
    none = ask(request(path={"order_id": new_order()}), None)
    nonsense = ask(request(path={"order_id": "x"}), None)
    for answer in (theirs, none, nonsense):
        assert (answer["statusCode"], body_of(answer)["code"]) == (404, "order-not-found")
    own = ask(request(path={"order_id": order_id}, claims=customer("ALFKI")), None)
    assert own["statusCode"] == 200
