"""What of an order, or of a customer's list, is not as Northwind computes it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infra.local.demo.northwind import Expected, NorthwindOrder


@dataclass(frozen=True)
class PlacedOrder:
    """What the commands have answered: the order's id, latest version and Consistency-Token."""

    order: NorthwindOrder
    order_id: str
    version: int
    token: str


def order_differences(
    answer: Mapping[str, Any], placed: PlacedOrder, expected: Expected
) -> list[str]:
    """Return the differences of GET /orders/{order_id}; those of a line begin with "line"."""
    differences = []
    answered = {line["sku"]: line for line in answer["lines"]}
    for sku in sorted(answered.keys() | expected.lines.keys()):
        line, wanted_line = answered.get(sku), expected.lines.get(sku)
        if line is None or wanted_line is None:
            differences.append(f"line of {sku} is {'missing' if line is None else 'too many'}")
            continue
        amounts = (line["ordered"], _amount(line["unit_price"]), _amount(line["total"]))
        if amounts != (wanted_line.quantity, wanted_line.unit_price, wanted_line.total):
            differences.append(f"line of {sku} has {amounts}, not {wanted_line}")
    totals = answer["totals"]
    for name, value, wanted in (
        # Somebody may have gone on with the order since.
        ("version", min(answer["version"], placed.version), placed.version),
        ("reference", answer["reference"], placed.order.reference),
        ("customer", answer["customer_id"], expected.customer_id),
        ("number of lines", len(answer["lines"]), len(expected.lines)),
        ("sum of lines", _amount(totals["lines"]), expected.subtotal),
        ("freight", _amount(totals["shipping"]), expected.freight),
        ("total", _amount(totals["total"]), expected.total),
    ):
        if value != wanted:
            differences.append(f"{name} is {value}, not {wanted}")
    return differences


def list_differences(
    items: Sequence[Mapping[str, Any]],
    placed: Sequence[PlacedOrder],
    expected: Mapping[int, Expected],
) -> list[str]:
    """Return what of a customer's list is missing, there twice, or has another total."""
    times = Counter(item["reference"] for item in items)
    totals = {item["reference"]: _amount(item["total"]) for item in items}
    differences = []
    for each in placed:
        reference = each.order.reference
        if times[reference] != 1:
            differences.append(f"{reference} is listed {times[reference]} times")
        elif totals[reference] != expected[each.order.number].total:
            differences.append(f"{reference} is listed with a total of {totals[reference]}")
    return differences


def _amount(money: Mapping[str, str]) -> Decimal:
    return Decimal(money["amount"])
