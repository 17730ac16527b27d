"""What queries answer fits the schemas that clients were given for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from commands import authorize_payment, capture_payment, confirm_order, place_order
from ordering.delivery.published import PublishedEvent
from ordering.domain.evolution import record
from ordering.domain.limits import MAX_LINES
from projectors import customer_orders, order_details
from tests.domain.vocabulary import NOW
from tests.shared import an_order

if TYPE_CHECKING:
    from ordering.domain.order import Order

COMPONENTS = json.loads((Path(__file__).parents[2] / "docs" / "api" / "openapi.json").read_text())[
    "components"
]
FOLDS = {"Order": order_details.fold, "OrderItem": customer_orders.fold}


def the_largest(currency: str, amount: str) -> dict[str, Any]:
    """Give an order of as many lines, units and digits as a client may send."""
    money = {"amount": amount, "currency": currency}
    line = {"sku": "s", "quantity": 1_000_000, "unit_price": money, "tax_rate": "1"}
    return an_order(currency=currency, lines=[line] * MAX_LINES, shipping_fee=money)


@pytest.mark.parametrize("schema", FOLDS)
@pytest.mark.parametrize(
    ("currency", "amount"),
    [("EUR", "999999999999.99"), ("CLF", "999999999999.9999"), ("JPY", "999999999999")],
)
def test_the_largest_order_fits(currency: str, amount: str, schema: str) -> None:
    order: Order | None = None
    document: dict[str, Any] | None = None
    version = 0
    paid = {"payment_id": "p", "method": "card", "amount": {"amount": amount, "currency": currency}}
    for command, body in (
        (place_order, the_largest(currency, amount)),
        (confirm_order, {}),
        (authorize_payment, paid),
        (capture_payment, {"payment_id": "p"}),
    ):
        asked = command.handler.command.model_validate(body)
        events, order = record(order, command.decide(order, asked, NOW))
        for event in events:
            version += 1
            published = PublishedEvent(
                "00000000-0000-7000-8000-000000000001",
                *(version, NOW, "operator", "c", "t", event.fact, event.after),
            )
            document = FOLDS[schema](document, published)
    assert order is not None
    assert len(str(int(order.totals.total))) > 12
    answer = {"$ref": f"#/components/schemas/{schema}", "components": COMPONENTS}
    jsonschema.Draft202012Validator(answer).validate(document)
