"""Lets generated requests name what exists: an order of those in ORDERS, and its parts.

Ids that are only of the right form would be answered with 404 for ever, and reach no rule.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any, Final

import schemathesis

ORDERS: Final[list[str]] = json.loads(os.environ["ORDERS"])
PARTS: Final = {
    "line_id": "1",
    "payment_id": "pay-1",
    "shipment_id": "ship-1",
    "return_id": "return-1",
}


_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@schemathesis.hook
def before_call(_context: object, case: Any, _kwargs: object) -> None:  # noqa: ANN401 - schemathesis.Case
    """Put ids of ours in the places of three out of four that have the right form."""
    path = case.path_parameters or {}
    choice = sum(str(path).encode() + str(case.body).encode())
    if _UUID.fullmatch(str(path.get("order_id", ""))) and choice % 4:
        path["order_id"] = ORDERS[choice % len(ORDERS)]
        for name in path.keys() & PARTS.keys():
            path[name] = PARTS[name]
    headers = case.headers or {}
    if "Consistency-Token" in headers:
        # An order that the read side will never see would be waited for.
        headers["Consistency-Token"] = f"{ORDERS[0]}.1"
