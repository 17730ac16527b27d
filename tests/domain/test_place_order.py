"""Placing an order: who may, and what the lines and totals become."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest
from pydantic import ValidationError

from commands.place_order import IN_THE_FUTURE, PlaceOrder, decide, permit
from ordering.domain.errors import Refusal
from ordering.domain.evolution import evolve
from ordering.runtime.findings import findings as findings_of
from ordering.runtime.http import Principal
from tests.callers import CHECKOUT
from tests.domain.fields import TRIED_BELOW, Money, address_at, line_at, text
from tests.domain.life import order_to_place
from tests.domain.vocabulary import NOW

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordering.domain.events import OrderPlaced
    from ordering.domain.order import Order
    from tests.domain.choices import Choice
    from tests.domain.fields import Field


CALLERS: Final = CHECKOUT
SAMPLE: Final = {
    "customer_id": "SAMPLE-CUSTOMER",
    "currency": "EUR",
    "lines": [
        {
            "sku": "28",
            "name": "Rössle Sauerkraut",
            "quantity": 15,
            "unit_price": {"amount": "45.60", "currency": "EUR"},
            "discount": "0.25",
            "tax_rate": "0.07",
        }
    ],
    "shipping_address": {
        "name": "Maria Anders",
        "street": "Obere Str. 57",
        "city": "Berlin",
        "postal_code": "12209",
        "country": "DE",
    },
    "shipping_fee": {"amount": "29.46", "currency": "EUR"},
}
FIELDS: Final[Mapping[str, Field]] = {
    "customer_id": text(64),
    "currency": TRIED_BELOW,
    "placed_at": TRIED_BELOW,
    "reference": text(200, optional=True),
    "shipping_fee": Money(in_euros_only=True, optional=True),
    **line_at("lines/0", in_euros_only=True),
    **address_at("shipping_address"),
    **address_at("billing_address"),
}


def choose_request(_: Order | None, choice: Choice) -> dict[str, Any]:
    """Place an order of up to three lines, of which one may cost nothing."""
    lines = [(3, 1000, 0), (3, 0, 0), (1 + choice.much, 1000, choice.which)]
    return order_to_place("EUR", lines[choice.which % 3 :][: 1 + choice.much % 2], 0)


OPERATOR = Principal(subject="operator", confined_to=None, is_operator=True)
SHOP = Principal(subject="checkout", confined_to=None, is_operator=False)
ALFKI = Principal(subject="customer:ALFKI", confined_to="ALFKI", is_operator=False)


def request(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any field may be changed
    return {
        "customer_id": "ALFKI",
        "currency": "EUR",
        "lines": [line()],
        "shipping_address": {"name": "Maria", "street": "Obere 57", "city": "B", "country": "DE"},
    } | changes


def line(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any field may be changed
    return {"sku": "28", "quantity": 3, "unit_price": euros("9.99")} | changes


def euros(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "EUR"}


def parsed(body: dict[str, Any]) -> PlaceOrder:
    return PlaceOrder.model_validate_json(json.dumps(body))


def place(command: PlaceOrder) -> OrderPlaced:
    """Place it now."""
    facts = decide(None, command, NOW)
    assert not isinstance(facts, Refusal)
    (placed,) = facts
    return placed


def findings(body: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        parsed(body)
    return {error["pointer"]: error["detail"] for error in findings_of(caught.value)}


def test_a_line_is_quantity_times_price_less_discount_rounded_half_up() -> None:
    # 3 x 9.99 x 0.85 = 25.4745
    placed = place(parsed(request(lines=[line(discount="0.15")])))
    assert str(placed.lines[0].total) == "25.47"
    # 1 x 0.05 x 0.5 = 0.025, half up
    cents = line(quantity=1, unit_price=euros("0.05"), discount="0.5")
    placed = place(parsed(request(lines=[cents])))
    assert str(placed.lines[0].total) == "0.03"


def test_the_total_is_the_sum_of_its_parts() -> None:
    body = request(
        lines=[line(tax_rate="0.07"), line(quantity=1, tax_rate="0.19")], shipping_fee=euros("4.9")
    )
    totals = evolve(None, place(parsed(body))).totals
    # 29.97 x 0.07 = 2.0979 and 9.99 x 0.19 = 1.8981
    assert (str(totals.lines), str(totals.tax), str(totals.shipping)) == ("39.96", "4.00", "4.90")
    assert totals.total == totals.lines - totals.discount + totals.tax + totals.shipping


@pytest.mark.parametrize(
    ("currency", "amount", "total"), [("JPY", "1000", "3000"), ("KWD", "0.125", "0.375")]
)
def test_amounts_have_the_digits_of_their_currency(currency: str, amount: str, total: str) -> None:
    price = {"amount": amount, "currency": currency}
    body = request(currency=currency, lines=[line(unit_price=price)])
    assert str(evolve(None, place(parsed(body))).totals.total) == total


def test_lines_are_numbered_from_one() -> None:
    placed = place(parsed(request(lines=[line(), line()])))
    assert [snapshot.line_id for snapshot in placed.lines] == [1, 2]


def test_the_placed_order_has_status_placed() -> None:
    placed = place(parsed(request()))
    assert evolve(None, placed).status == "placed"
    assert placed.placed_at == NOW


def test_every_invalid_field_is_named_at_once() -> None:
    body = request(
        lines=[line(quantity=0, unit_price={"amount": 1.5, "currency": "EUR"}), {"sku": ""}],
        surprise=1,
        currency="EURO",
    )
    assert set(findings(body)) == {
        "/currency",
        "/lines/0/quantity",
        "/lines/0/unit_price/amount",
        "/lines/1/sku",
        "/lines/1/quantity",
        "/lines/1/unit_price",
        "/surprise",
    }


def test_what_several_fields_are_wrong_about_is_named_with_the_rest() -> None:
    dollars = {"amount": "1.00", "currency": "USD"}
    body = request(lines=[line(sku=""), line(unit_price=dollars)], shipping_fee=dollars)
    assert findings(body) == {
        "/lines/0/sku": "must not be empty",
        "/lines/1/unit_price/currency": "must be the order's currency, EUR",
        "/shipping_fee/currency": "must be the order's currency, EUR",
    }
    many = request(lines=[line(unit_price=dollars)] * 501)
    assert "/lines" in findings(many)


@pytest.mark.parametrize("lines", [None, 1, "1", {}, [None], [1], [{"unit_price": [1]}]])
def test_what_is_no_line_at_all_is_named_too(lines: object) -> None:
    assert "/lines" in {pointer[:6] for pointer in findings(request(lines=lines))}
    assert "/lines" in {pointer[:6] for pointer in findings(request(lines=lines, currency=[]))}


def test_an_order_has_one_currency() -> None:
    body = request(
        lines=[line(), line(unit_price={"amount": "1.00", "currency": "USD"})],
        shipping_fee={"amount": "1.00", "currency": "GBP"},
    )
    assert set(findings(body)) == {"/lines/1/unit_price/currency", "/shipping_fee/currency"}


@pytest.mark.parametrize(
    "amount", ["1.234", "-1", "1e3", "", "1,5", " 1", "NaN", "1" * 13, "\uff11"]
)
def test_an_amount_is_a_plain_decimal_with_no_more_digits_than_its_currency(amount: str) -> None:
    assert findings(request(lines=[line(unit_price=euros(amount))]))


@pytest.mark.parametrize("discount", ["1.1", "-0.1", "0.1234567", "15%", 0.15])
def test_a_discount_is_a_decimal_string_from_0_to_1(discount: object) -> None:
    assert findings(request(lines=[line(discount=discount)]))


@pytest.mark.parametrize(("lines", "accepted"), [(0, False), (1, True), (500, True), (501, False)])
def test_an_order_has_1_to_500_lines(lines: int, accepted: bool) -> None:
    body = request(lines=[line()] * lines)
    if accepted:
        assert len(parsed(body).lines) == lines
    else:
        assert "/lines" in findings(body)


def test_too_many_lines_are_told_before_what_is_wrong_with_each() -> None:
    assert set(findings(request(lines=[{}] * 80_000))) == {"/lines"}


@pytest.mark.parametrize(
    "placed_at",
    [
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-01:00",
        "1899-12-31T23:59:59Z",
        "2200-01-01T00:00:00Z",
        "1900-01-01T00:59:59+01:00",
        "2199-12-31T23:00:00-01:00",
        "2026-11-22",
        "2026-11-22T12:00:00",
        "1700000000",
        1700000000,
    ],
)
def test_a_time_is_an_rfc_3339_string_of_our_centuries(placed_at: object) -> None:
    assert set(findings(request(placed_at=placed_at))) == {"/placed_at"}


@pytest.mark.parametrize(
    "placed_at",
    [
        "1900-01-01T00:00:00Z",
        "1900-01-01T01:00:00+01:00",
        "2199-12-31T23:59:59.999999Z",
        "2199-12-31T22:59:59-01:00",
    ],
)
def test_the_first_and_the_last_time_are_kept(placed_at: str) -> None:
    command = parsed(request(placed_at=placed_at))
    assert command.placed_at is not None
    assert command.placed_at.year in {1900, 2199}


def test_a_time_is_kept_in_utc() -> None:
    command = parsed(request(placed_at="1996-07-04T02:00:00+02:00"))
    assert place(command).placed_at == datetime(1996, 7, 4, tzinfo=UTC)


def test_text_without_place_in_a_database_is_refused() -> None:
    assert findings(request(customer_id="a\x00b"))


def test_a_checkout_that_is_confined_to_a_customer_orders_for_that_customer() -> None:
    assert permit(parsed(request()), ALFKI) is None
    assert permit(parsed(request(customer_id="ANATR")), SHOP) is None
    refused = permit(parsed(request(customer_id="ANATR")), ALFKI)
    assert refused is not None
    assert refused.code == "not-your-customer-id"


def test_only_operators_say_when_an_order_was_placed() -> None:
    command = parsed(request(placed_at="1996-07-04T00:00:00Z"))
    assert permit(command, OPERATOR) is None
    assert place(command).placed_at.year == 1996
    for caller in (ALFKI, SHOP):
        refused = permit(command, caller)
        assert refused is not None
        assert refused.code == "placed-at-not-allowed"


@pytest.mark.parametrize(("minutes", "is_accepted"), [(-1, True), (5, True), (6, False)])
def test_an_order_is_not_placed_in_the_future(minutes: int, *, is_accepted: bool) -> None:
    placed_at = NOW + timedelta(minutes=minutes)
    facts = decide(None, parsed(request(placed_at=placed_at.isoformat())), NOW)
    if is_accepted:
        assert not isinstance(facts, Refusal)
    else:
        assert facts == IN_THE_FUTURE
