"""Questions as clients send them, through the gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import pytest

from tests.shared import an_order

if TYPE_CHECKING:
    from tests.running_stack import RunningStack

pytestmark = pytest.mark.system

ODD = "a/b +c%2F&é"
"""A customer id that has to be escaped, in a path and in a query."""


def test_ids_are_escaped_in_paths_and_queries(stack: RunningStack) -> None:
    address = {"name": "100% & Söhne", "street": "S", "city": "X_Y", "country": "DE"}
    placed = stack.place(customer_id=ODD, shipping_address=address)
    order_id, customer = placed.body["order_id"], quote(ODD, safe="")
    for path in (
        f"/customers/{customer}/orders",
        f"/orders?customer_id={quote(ODD)}",
        f"/orders?customer_id={quote_plus(ODD)}&q={quote('100% & sohne x_y')}",
        f"/orders?q={quote_plus('SÖHNE x_y')}&customer_id={quote(ODD)}",
    ):
        found = stack.call("GET", path, consistency_token=placed.token, prefer="wait=20")
        assert found.status == 200, (path, found)
        assert [item["order_id"] for item in found.body["items"]] == [order_id], path
    summary = stack.call(
        "GET", f"/customers/{customer}/summary", consistency_token=placed.token, prefer="wait=20"
    )
    assert summary.body["customer_id"] == ODD
    assert [each["orders"] for each in summary.body["currencies"]] == [1]


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("/orders?status=placed&status=paid", "/status"),
        ("/orders?limit=1&limit=2", "/limit"),
        ("/orders?q=" + "x" * 7_000, "/q"),
        ("/orders?q=a%00bc", "/q"),
        ("/orders?q=%F0%9F%93%A6%20%00", "/q"),
        ("/orders?from=2026-01-01T00:00:00", "/from"),
        ("/orders?from=99999-01-01T00:00:00Z", "/from"),
        ("/sales/daily?from=2026-03-29&to=2026-03-28", "/to"),
        ("/sales/products?from=2026-02-30", "/from"),
        ("/customers?order_by=value", "/currency"),
        ("/work-queue?stage=", "/stage"),
    ],
)
def test_a_wrong_question_names_the_field(stack: RunningStack, path: str, pointer: str) -> None:
    refused = stack.call("GET", path)
    assert refused.status == 422, refused
    assert [error["pointer"] for error in refused.body["errors"]] == [pointer]


@pytest.mark.parametrize(
    "path",
    ["/orders", "/work-queue", "/sales/daily", "/sales/products", "/customers", "/read-models"],
)
def test_customers_do_not_ask_what_operators_ask(stack: RunningStack, path: str) -> None:
    assert stack.call("GET", path, customer="ALFKI").status == 403


def test_a_forged_token_is_refused(stack: RunningStack) -> None:
    for token in ("x", "00000000-0000-7000-8000-000000000000.99999999999999999999", "a.1,b.2"):
        refused = stack.call("GET", "/orders", consistency_token=token)
        assert (refused.status, refused.body["code"]) == (400, "bad-consistency-token")


def test_an_order_is_found_by_what_it_is_and_waits_where_it_should(stack: RunningStack) -> None:
    placed = stack.call("POST", "/orders", an_order(reference="Purchase 4711/b"))
    order_id = placed.body["order_id"]
    token = stack.call("POST", f"/orders/{order_id}/confirm").token
    found = stack.call(
        "GET",
        "/orders?q=PURCHASE%204711/B&status=confirmed",
        consistency_token=token,
        prefer="wait=20",
    )
    assert order_id in [item["order_id"] for item in found.body["items"]]
    queue = stack.call(
        "GET", "/work-queue?stage=to_pay&limit=100", consistency_token=token, prefer="wait=20"
    )
    waiting = {each["stage"]: each["waiting"] for each in queue.body["stages"]}
    assert waiting["to_pay"] >= len(queue.body["items"]) > 0
