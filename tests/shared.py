"""What tests of every height use: an order as clients send it, and waiting for what will happen."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def an_order(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any field may be changed
    return {
        "customer_id": "ALFKI",
        "currency": "EUR",
        "lines": [
            {"sku": "28", "quantity": 3, "unit_price": {"amount": "9.99", "currency": "EUR"}}
        ],
        "shipping_address": {"name": "M", "street": "S 1", "city": "Berlin", "country": "DE"},
    } | changes


def eventually(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Look again and again; fail when the condition does not come true in time."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.01)
