"""Northwind's orders as requests, and the comparison that has to find every kind of difference."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from infra.local.demo.checks import PlacedOrder, list_differences, order_differences
from infra.local.demo.northwind import Expected, Line, NorthwindOrder, exact, load_orders

ORDER = load_orders()[0]
PLACED = PlacedOrder(ORDER, "01900000-0000-7000-8000-000000000000", 2, "token")
EXPECTED = Expected(
    customer_id="VINET",
    lines={
        "11": Line("11", 12, Decimal("14.00"), Decimal("168.00")),
        "42": Line("42", 10, Decimal("9.80"), Decimal("98.00")),
    },
    subtotal=Decimal("266.00"),
    freight=Decimal("32.38"),
    total=Decimal("298.38"),
)


def usd(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "USD"}


ANSWER: dict[str, Any] = {
    "version": 2,
    "reference": "northwind-10248",
    "customer_id": "VINET",
    "lines": [
        {"sku": "11", "ordered": 12, "unit_price": usd("14.00"), "total": usd("168.00")},
        {"sku": "42", "ordered": 10, "unit_price": usd("9.80"), "total": usd("98.00")},
    ],
    "totals": {"lines": usd("266.00"), "shipping": usd("32.38"), "total": usd("298.38")},
}


def test_there_are_830_orders_with_2155_lines() -> None:
    orders = load_orders()
    assert len(orders) == 830
    assert sum(len(order.body["lines"]) for order in orders) == 2155
    assert sum(order.shipped for order in orders) == 809


def test_an_order_becomes_the_body_of_a_request() -> None:
    assert isinstance(ORDER, NorthwindOrder)
    assert json.loads(json.dumps(ORDER.body)) == {
        "customer_id": "VINET",
        "currency": "USD",
        "lines": [
            {
                "sku": "11",
                "name": "Queso Cabrales",
                "quantity": 12,
                "unit_price": usd("14"),
                "discount": "0",
            },
            {
                "sku": "42",
                "name": "Singaporean Hokkien Fried Mee",
                "quantity": 10,
                "unit_price": usd("9.8"),
                "discount": "0",
            },
            {
                "sku": "72",
                "name": "Mozzarella di Giovanni",
                "quantity": 5,
                "unit_price": usd("34.8"),
                "discount": "0",
            },
        ],
        "shipping_address": {
            "name": "Vins et alcools Chevalier",
            "street": "59 rue de l'Abbaye",
            "city": "Reims",
            "postal_code": "51100",
            "country": "FR",
        },
        "shipping_fee": usd("32.38"),
        "reference": "northwind-10248",
        "placed_at": "1996-07-04T00:00:00Z",
    }


@pytest.mark.parametrize(
    ("real", "decimal"),
    [("9.80000019", "9.8"), ("0.150000006", "0.15"), ("1007.64001", "1007.64"), ("14", "14")],
)
def test_a_real_is_the_decimal_that_it_stands_for(real: str, decimal: str) -> None:
    assert exact(real) == decimal


def test_equal_orders_have_no_differences() -> None:
    assert order_differences(ANSWER, PLACED, EXPECTED) == []


def test_an_order_that_somebody_went_on_with_is_still_equal() -> None:
    assert order_differences(ANSWER | {"version": 3}, PLACED, EXPECTED) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["version"], 1),
        (["reference"], "northwind-1"),
        (["customer_id"], "ALFKI"),
        (["lines", 1, "ordered"], 11),
        (["lines", 1, "unit_price", "amount"], "9.81"),
        (["lines", 1, "total", "amount"], "98.01"),
        (["lines", 1, "sku"], "43"),
        (["lines"], ANSWER["lines"][:1]),
        (["lines"], [*ANSWER["lines"], ANSWER["lines"][0]]),
        (["totals", "lines", "amount"], "266.01"),
        (["totals", "shipping", "amount"], "32.39"),
        (["totals", "total", "amount"], "298.39"),
    ],
)
def test_whatever_is_not_equal_is_named(path: list[Any], value: object) -> None:
    answer = copy.deepcopy(ANSWER)
    place: Any = answer
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert order_differences(answer, PLACED, EXPECTED)


def test_a_list_names_orders_that_are_missing_doubled_or_of_another_total() -> None:
    item = {"reference": "northwind-10248", "total": usd("298.38")}
    expected = {10248: EXPECTED}
    assert list_differences([item], [PLACED], expected) == []
    assert list_differences([], [PLACED], expected) == ["northwind-10248 is listed 0 times"]
    assert list_differences([item, item], [PLACED], expected) == [
        "northwind-10248 is listed 2 times"
    ]
    dearer = {10248: replace(EXPECTED, total=Decimal("298.39"))}
    assert len(list_differences([item], [PLACED], dearer)) == 1


def test_the_licence_is_beside_the_data() -> None:
    data = Path(__file__).parents[2] / "data" / "northwind"
    assert "Microsoft Public License (Ms-PL)" in (data / "LICENSE").read_text()
