"""Older schema versions of events, and how each becomes the next one. Pure, JSON to JSON.

An upcaster never guesses: what an older version did not record stays missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

Data = dict[str, Any]


def _order_placed_1(data: Data) -> Data:
    """Version 1 knew neither coupons nor payments, and kept the sums beside the fact."""
    status, totals = data["status"], data["totals"]
    nothing = totals["discount"]
    ordered = sum(line["quantity"] for line in data["lines"])
    fact = {name: value for name, value in data.items() if name not in {"status", "totals"}}
    return {
        **fact,
        "lines": [
            {
                **{name: value for name, value in line.items() if name != "quantity"},
                "ordered": line["quantity"],
                "coupon_share": nothing,
            }
            for line in data["lines"]
        ],
        "shipping_fee": totals["shipping"],
        "after": {
            "customer_id": data["customer_id"],
            "status": status,
            "currency": data["currency"],
            "totals": totals,
            "balance": {
                "owed": totals["total"],
                "authorized": nothing,
                "captured": nothing,
                "due_back": nothing,
                "refunded": nothing,
            },
            "units": {
                "lines": len(data["lines"]),
                "kept": ordered,
                "to_ship": ordered,
                "shipped": 0,
                "delivered": 0,
                "returned": 0,
            },
        },
    }


def _customer_and_status_1(data: Data) -> Data:
    """Version 1 recorded no more of what follows than customer and status."""
    fact = {name: value for name, value in data.items() if name not in {"customer_id", "status"}}
    return {
        **fact,
        "after": {"customer_id": data["customer_id"], "status": data["status"]},
    }


_UPCASTERS: Final[dict[tuple[str, int], Callable[[Data], Data]]] = {
    ("OrderPlaced", 1): _order_placed_1,
    ("OrderConfirmed", 1): _customer_and_status_1,
    ("OrderCancelled", 1): _customer_and_status_1,
}
"""By event type and the version that it brings to the next one."""


def upcast(event_type: str, schema_version: int, newest: int, data: Data) -> Data:
    """Bring an event's data from its schema version to the newest, one version after the other.

    Raises:
        ValueError: the data does not have the shape of its version.
    """
    try:
        for version in range(schema_version, newest):
            data = _UPCASTERS[event_type, version](data)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"not {event_type} version {schema_version}: {type(error).__name__} {error}"
        ) from error
    return data
