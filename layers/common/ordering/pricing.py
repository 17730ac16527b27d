"""How an order's total is made of its lines. Pure; the rules are the HTTP contract's."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from .events import LineSnapshot, Totals
from .values import round_to_currency

if TYPE_CHECKING:
    from collections.abc import Iterable


def price_line(
    *,
    line_id: int,
    sku: str,
    name: str | None,
    quantity: int,
    unit_price: Decimal,
    discount: Decimal,
    tax_rate: Decimal,
    currency: str,
) -> LineSnapshot:
    """Give the line with its amounts, both rounded half up to the currency's digits.

    line total = quantity x unit price x (1 - discount); tax = line total x tax rate.
    """
    total = round_to_currency(quantity * unit_price * (1 - discount), currency)
    return LineSnapshot.model_construct(
        line_id=line_id,
        sku=sku,
        name=name,
        quantity=quantity,
        unit_price=round_to_currency(unit_price, currency),
        discount=discount,
        tax_rate=tax_rate,
        total=total,
        tax=round_to_currency(total * tax_rate, currency),
    )


def total_of(lines: Iterable[LineSnapshot], shipping_fee: Decimal, currency: str) -> Totals:
    """Sum the lines, their tax and the shipping fee."""
    zero = round_to_currency(Decimal(0), currency)
    lines = tuple(lines)
    of_lines = sum((line.total for line in lines), zero)
    tax = sum((line.tax for line in lines), zero)
    shipping = round_to_currency(shipping_fee, currency)
    return Totals.model_construct(
        lines=of_lines,
        discount=zero,
        tax=tax,
        shipping=shipping,
        total=of_lines + tax + shipping,
    )
