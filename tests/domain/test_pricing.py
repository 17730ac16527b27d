"""What an order costs: lines, the coupon's shares, tax, shipping, in every currency's digits."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordering.domain.parts import Coupon, Line
from ordering.domain.pricing import price, price_line, shares, total_of
from ordering.domain.values import CURRENCY_DIGITS, Money


def a_line(
    price: str, quantity: int = 1, *, currency: str = "EUR", tax: str = "0", discount: str = "0"
) -> Line:
    return price_line(
        line_id=1,
        sku="28",
        name=None,
        quantity=quantity,
        unit_price=Decimal(price),
        discount=Decimal(discount),
        tax_rate=Decimal(tax),
        currency=currency,
    )


def less_percent(percent: str) -> Coupon:
    return Coupon(code="C", percent_off=Decimal(percent))


def less_amount(amount: str, currency: str = "EUR") -> Coupon:
    return Coupon(code="C", amount_off=Money(amount=Decimal(amount), currency=currency))


@pytest.mark.parametrize(
    ("amount", "weights", "expected"),
    [
        # Equal weights: what is left over goes to the first ones.
        ("10.00", ["30.00", "30.00", "30.00"], ["3.34", "3.33", "3.33"]),
        ("0.02", ["30.00", "30.00", "30.00"], ["0.01", "0.01", "0.00"]),
        # The largest remainder is served first, wherever it stands.
        ("1.00", ["1.00", "1.00", "4.00"], ["0.17", "0.17", "0.66"]),
        ("1.00", ["0.10", "2.00", "0.90"], ["0.03", "0.67", "0.30"]),
        # All of it, nothing of it, and a line that costs nothing.
        ("90.00", ["30.00", "60.00"], ["30.00", "60.00"]),
        ("0.00", ["30.00", "60.00"], ["0.00", "0.00"]),
        ("1.00", ["0.00", "5.00"], ["0.00", "1.00"]),
    ],
)
def test_a_coupon_is_shared_by_largest_remainder(
    amount: str, weights: list[str], expected: list[str]
) -> None:
    found = shares(Decimal(amount), [Decimal(weight) for weight in weights], "EUR")
    assert [str(share) for share in found] == expected


@given(
    currency=st.sampled_from(["JPY", "EUR", "KWD", "CLF"]),
    weights=st.lists(st.integers(0, 10**18), min_size=1, max_size=40),
    part=st.fractions(0, 1),
)
def test_shares_sum_to_the_whole_and_are_the_exact_ones_rounded_up_or_down(
    currency: str, weights: list[int], part: Fraction
) -> None:
    scale = -CURRENCY_DIGITS[currency]
    units = int(sum(weights) * part)
    found = shares(
        Decimal(units).scaleb(scale),
        [Decimal(weight).scaleb(scale) for weight in weights],
        currency,
    )
    whole = [int(share.scaleb(-scale)) for share in found]
    assert sum(whole) == units
    assert all(share.as_tuple().exponent == scale for share in found)
    for share, weight in zip(whole, weights, strict=True):
        exact = Fraction(units * weight, sum(weights) or 1)
        assert exact - 1 < share < exact + 1
        assert 0 <= share <= weight


def test_the_coupon_is_on_the_sum_of_lines_and_tax_on_what_is_left_of_each() -> None:
    lines = (a_line("10.00", tax="0.19"), a_line("5.00", 4, tax="0.07"))
    priced, totals = price(lines, less_percent("10"), Decimal("4.90"), "EUR")
    assert [str(line.coupon_share) for line in priced] == ["1.00", "2.00"]
    # 9.00 x 0.19 = 1.71, 18.00 x 0.07 = 1.26
    assert [str(line.tax) for line in priced] == ["1.71", "1.26"]
    assert {name: str(amount) for name, amount in totals} == {
        "lines": "30.00",
        "discount": "3.00",
        "tax": "2.97",
        "shipping": "4.90",
        "total": "34.87",
    }


@pytest.mark.parametrize(
    ("coupon", "discount"),
    [
        (less_percent("0"), "0.00"),
        (less_percent("12.5"), "1.26"),  # of 10.05: 1.25625
        (less_percent("0.0497"), "0.00"),  # 0.00499…
        (less_percent("0.0498"), "0.01"),  # 0.0050049
        (less_percent("100"), "10.05"),
        (less_amount("0.01"), "0.01"),
        (less_amount("10.04"), "10.04"),
        (less_amount("10.05"), "10.05"),
        (less_amount("10.06"), "10.05"),
        (less_amount("999999999999.99"), "10.05"),
    ],
)
def test_a_coupon_takes_off_what_it_says_and_never_more_than_the_lines(
    coupon: Coupon, discount: str
) -> None:
    _, totals = price((a_line("10.05", tax="0.19"),), coupon, Decimal("4.90"), "EUR")
    assert str(totals.discount) == discount
    assert totals.total >= Decimal("4.90")
    if discount == "10.05":
        assert (str(totals.tax), str(totals.total)) == ("0.00", "4.90")


@pytest.mark.parametrize(
    ("currency", "price_of_one", "total", "tax"),
    [
        ("JPY", "333", "849", "85"),  # 849.15 and 84.9
        ("EUR", "3.33", "8.49", "0.85"),  # 8.4915 and 0.849
        ("KWD", "3.333", "8.499", "0.850"),  # 8.49915 and 0.8499
        ("CLF", "3.3333", "8.4999", "0.8500"),  # 8.499915 and 0.84999
    ],
)
def test_amounts_are_rounded_to_the_currencys_digits(
    currency: str, price_of_one: str, total: str, tax: str
) -> None:
    line = a_line(price_of_one, 3, currency=currency, discount="0.15", tax="0.1")
    assert (str(line.total), str(line.tax)) == (total, tax)
    assert str(line.coupon_share) == str(total_of((line,), Decimal(0), currency).shipping)


@pytest.mark.parametrize(
    ("exact", "rounded"),
    [("0.004", "0.00"), ("0.005", "0.01"), ("0.015", "0.02"), ("0.025", "0.03"), ("2.675", "2.68")],
)
def test_halves_are_rounded_up_and_not_to_even(exact: str, rounded: str) -> None:
    line = a_line("1000.00", tax=str(Decimal(exact) / 1000))
    assert str(line.tax) == rounded


def test_the_largest_order_is_exact() -> None:
    line = a_line("999999999999.99", 1_000_000, tax="0.999999", discount="0.000001")
    priced, totals = price(
        (line,) * 500, less_percent("33.3333"), Decimal("999999999999.99"), "EUR"
    )
    of_line = Fraction(99999999999999, 100) * 1_000_000 * Fraction(999_999, 1_000_000)
    assert Fraction(totals.lines) == of_line * 500
    assert sum(each.coupon_share for each in priced) == totals.discount
    assert totals.total == totals.lines - totals.discount + totals.tax + totals.shipping
    assert len(str(totals.total)) > 20


def test_what_is_not_kept_costs_nothing_and_its_coupon_moves_to_the_others() -> None:
    lines = (a_line("10.00"), a_line("10.00"))
    one_cancelled = (lines[0].model_copy(update={"cancelled": 1}), lines[1])
    priced, totals = price(one_cancelled, less_amount("6.00"), Decimal("4.90"), "EUR")
    assert [str(line.coupon_share) for line in priced] == ["0.00", "6.00"]
    assert str(totals.total) == "8.90"
    returned = lines[1].model_copy(update={"shipped": 1, "delivered": 1, "returned": 1})
    _, totals = price((lines[0], returned), None, Decimal("4.90"), "EUR")
    assert str(totals.total) == "14.90"


def test_shipping_is_not_charged_for_an_order_of_which_nothing_is_left_to_ship() -> None:
    cancelled = a_line("10.00").model_copy(update={"cancelled": 1})
    _, totals = price((cancelled,), less_amount("6.00"), Decimal("4.90"), "EUR")
    assert {str(amount) for _, amount in totals} == {"0.00"}


def test_a_line_whose_amounts_stay_is_the_same_line() -> None:
    lines = (a_line("10.00"), a_line("20.00"))
    priced, _ = price(lines, None, Decimal(0), "EUR")
    assert all(after is before for before, after in zip(lines, priced, strict=True))
