"""Lets generated requests name what exists: an order of those in ORDERS, and its parts.

Ids that are only of the right form would be answered with 404 for ever, and reach no rule.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
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


_DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "api" / "openapi.json"
_CHECKED: Final = {"Idempotency-Key", "Consistency-Token"}
"""Headers that are refused when they are too long.

What is wrong with the others is passed over, as their own specifications have it (RFC 7240, RFC
9110, RFC 9111, Trace Context): their length is what clients may count on, and no limit.
"""
_LONGEST: Final = {
    name: parameter["schema"]["maxLength"]
    for name, parameter in json.loads(_DOCUMENT.read_text())["components"]["parameters"].items()
    if name not in _CHECKED
}


@schemathesis.hook
def filter_case(_context: object, case: Any) -> bool:  # noqa: ANN401 - schemathesis.Case
    """Leave out requests with a header that is too long, and is no reason to refuse them."""
    headers = case.headers or {}
    return all(len(str(headers.get(name, ""))) <= longest for name, longest in _LONGEST.items())


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
