"""How an order's total is made of its lines. Pure; the rules are the HTTP contract's."""

from __future__ import annotations

from decimal import Context, Decimal, localcontext
from typing import TYPE_CHECKING, Final

from .parts import Coupon, Line, Totals
from .values import CURRENCY_DIGITS, round_to_currency

if TYPE_CHECKING:
    from collections.abc import Sequence

_EXACT: Final = Context(prec=60)
"""Enough that nothing is rounded but where the rules say so: the default of 28 digits is not."""


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
) -> Line:
    """Return a new line with its amounts, both rounded half up to the currency's digits.

    line total = quantity x unit price x (1 - discount); tax = line total x tax rate.
    """
    with localcontext(_EXACT):
        total = round_to_currency(quantity * unit_price * (1 - discount), currency)
        return Line(
            line_id=line_id,
            sku=sku,
            name=name,
            unit_price=round_to_currency(unit_price, currency),
            discount=discount,
            tax_rate=tax_rate,
            ordered=quantity,
            total=total,
            coupon_share=round_to_currency(Decimal(0), currency),
            tax=round_to_currency(total * tax_rate, currency),
        )


def price(
    lines: Sequence[Line], coupon: Coupon | None, shipping_fee: Decimal, currency: str
) -> tuple[tuple[Line, ...], Totals]:
    """Return the lines with the amounts of the units that are kept, and the order's totals.

    The coupon is on the sum of the lines and never more than it; each line has a share of it, and
    the tax of a line is on what is left of it after that. The shipping fee falls away when the
    whole order is cancelled.
    """
    with localcontext(_EXACT):
        of_lines = [
            round_to_currency(line.kept * line.unit_price * (1 - line.discount), currency)
            for line in lines
        ]
        discount = _discount(coupon, sum(of_lines, Decimal(0)), currency)
        priced = tuple(
            _with_amounts(line, total, share, currency)
            for line, total, share in zip(
                lines, of_lines, shares(discount, of_lines, currency), strict=True
            )
        )
        is_cancelled = all(line.cancelled == line.ordered for line in lines)
        return priced, total_of(priced, Decimal(0) if is_cancelled else shipping_fee, currency)


def _with_amounts(line: Line, total: Decimal, share: Decimal, currency: str) -> Line:
    """Return the line itself where nothing changes: events carry only changed lines."""
    tax = round_to_currency((total - share) * line.tax_rate, currency)
    if (line.total, line.coupon_share, line.tax) == (total, share, tax):
        return line
    return line.model_copy(update={"total": total, "coupon_share": share, "tax": tax})


def total_of(lines: Sequence[Line], shipping_fee: Decimal, currency: str) -> Totals:
    """Sum the lines, the coupon's shares, the tax and the shipping fee."""
    with localcontext(_EXACT):
        zero = round_to_currency(Decimal(0), currency)
        of_lines = sum((line.total for line in lines), zero)
        discount = sum((line.coupon_share for line in lines), zero)
        tax = sum((line.tax for line in lines), zero)
        shipping = round_to_currency(shipping_fee, currency)
        return Totals(
            lines=of_lines,
            discount=discount,
            tax=tax,
            shipping=shipping,
            total=of_lines - discount + tax + shipping,
        )


def _discount(coupon: Coupon | None, of_lines: Decimal, currency: str) -> Decimal:
    if coupon is None:
        return round_to_currency(Decimal(0), currency)
    if coupon.amount_off is not None:
        return round_to_currency(min(coupon.amount_off.amount, of_lines), currency)
    return round_to_currency(of_lines * (coupon.percent_off or Decimal(0)) / 100, currency)


def shares(amount: Decimal, weights: Sequence[Decimal], currency: str) -> list[Decimal]:
    """Allot ``amount`` by weight, in the currency's smallest units, so that the shares sum to it.

    Each gets its share rounded down; what is left goes, one unit each, to those that lost most by
    that, the first of equals first (largest remainder). ``amount`` is at most the sum of the
    weights, so no share is above its weight.
    """
    digits = CURRENCY_DIGITS[currency]
    units = int(amount.scaleb(digits))
    whole = [int(weight.scaleb(digits)) for weight in weights]
    sum_of_weights = sum(whole)
    if not units:
        return [round_to_currency(Decimal(0), currency)] * len(whole)
    parts = [divmod(units * weight, sum_of_weights) for weight in whole]
    left = units - sum(part for part, _ in parts)
    by_remainder = sorted(range(len(parts)), key=lambda number: -parts[number][1])
    favoured = set(by_remainder[:left])
    return [
        Decimal(part + (number in favoured)).scaleb(-digits)
        for number, (part, _) in enumerate(parts)
    ]
