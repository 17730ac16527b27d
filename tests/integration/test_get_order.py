"""One order as GET /orders/{order_id} answers it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from queries import get_order
from tests.callers import READERS
from tests.domain.vocabulary import an_order_was_placed
from tests.integration.projections import apply, batch, new_order, record_of
from tests.integration.requests import body_of, customer, request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordering.read_side.shapes import Document
    from ordering.runtime.postgres import Database, Row

SAMPLE: Final = {"order_id": "00000000-0000-7000-8000-000000000001"}
CALLERS: Final = READERS


def example_rows(documents: Mapping[str, Document]) -> list[Row]:
    """Return what the question's SQL selects of the documents of one order."""
    document = documents["order_details"]
    return [(json.dumps(document), document["version"])]


def test_customers_see_their_own_orders_only(projector: Database, queries: Database) -> None:
    order_id = new_order()
    apply(projector, batch({0: [record_of(order_id, 1, an_order_was_placed())]}))
    get = get_order.handler.using(queries)
    path = {"order_id": order_id}
    assert get(request(path=path, claims=customer("ALFKI")), None)["statusCode"] == 200
    hidden = get(request(path=path, claims=customer("ANATR")), None)
    assert (hidden["statusCode"], body_of(hidden)["code"]) == (404, "order-not-found")


def test_an_unchanged_order_is_304(projector: Database, queries: Database) -> None:
    order_id = new_order()
    apply(projector, batch({0: [record_of(order_id, 1, an_order_was_placed())]}))
    get = get_order.handler.using(queries)
    again = get(request(path={"order_id": order_id}, if_none_match='"1"'), None)
    assert again["statusCode"] == 304
    assert "body" not in again
    newer = get(request(path={"order_id": order_id}, if_none_match='"2"'), None)
    assert newer["statusCode"] == 200
