"""Every limit of the HTTP contract, in every command that has it: at, below and above it."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from ordering.runtime.findings import findings
from tests.domain.life import COMMANDS

EVENTS = Path(__file__).parents[2] / "events"

TEXTS = {
    64: """
        place_order/customer_id place_order/lines/0/sku add_order_line/sku apply_coupon/code
        authorize_payment/method start_fulfilment/warehouse
    """,
    100: """
        place_order/shipping_address/city place_order/shipping_address/region
        place_order/shipping_address/postal_code place_order/billing_address/city
        place_order/billing_address/region place_order/billing_address/postal_code
        change_shipping_address/address/city change_shipping_address/address/region
        change_shipping_address/address/postal_code ship_items/carrier ship_items/tracking_number
    """,
    200: """
        place_order/lines/0/name place_order/reference place_order/shipping_address/name
        place_order/shipping_address/street place_order/billing_address/name
        place_order/billing_address/street change_shipping_address/address/name
        change_shipping_address/address/street add_order_line/name deliver_shipment/signed_by
    """,
    500: """
        cancel_line/reason cancel_order/reason decline_payment/reason hold_order/reason
        refund_payment/reason reject_return/reason request_return/items/0/reason
    """,
    2000: "add_note/text",
}
OPTIONAL = """
    place_order/lines/0/name place_order/reference place_order/shipping_address/region
    place_order/shipping_address/postal_code place_order/billing_address/region
    place_order/billing_address/postal_code change_shipping_address/address/region
    change_shipping_address/address/postal_code add_order_line/name ship_items/tracking_number
    deliver_shipment/signed_by start_fulfilment/warehouse
"""
QUANTITIES = """
    place_order/lines/0/quantity add_order_line/quantity change_line_quantity/quantity
    cancel_line/quantity ship_items/items/0/quantity request_return/items/0/quantity
    receive_return/items/0/quantity
"""
FRACTIONS = """
    place_order/lines/0/discount place_order/lines/0/tax_rate add_order_line/discount
    add_order_line/tax_rate
"""
MONEY = """
    place_order/lines/0/unit_price place_order/shipping_fee add_order_line/unit_price
    apply_coupon/amount_off authorize_payment/amount capture_payment/amount refund_payment/amount
"""
MORE_THAN_NOTHING = "authorize_payment/amount capture_payment/amount refund_payment/amount"
PARTS = """
    authorize_payment/payment_id ship_items/shipment_id request_return/return_id
    refund_payment/refund_id refund_payment/payment_id
"""
COUNTRIES = """
    place_order/shipping_address/country place_order/billing_address/country
    change_shipping_address/address/country
"""
LISTS: dict[str, tuple[int, dict[str, Any]]] = {
    "ship_items/items": (1, {"line_id": 1, "quantity": 1}),
    "request_return/items": (1, {"line_id": 1, "quantity": 1, "reason": "r"}),
    "receive_return/items": (0, {"line_id": 1, "quantity": 1}),
}
ADDRESS = {"name": "M", "street": "S 1", "city": "Berlin", "country": "DE"}


def accepts(field: str, value: object) -> bool:
    """Tell whether the command takes it; what is wrong, and only that, is named if it does not."""
    stem, _, path = field.partition("/")
    command = COMMANDS[stem].handler.command
    body = _with(_sample(stem), path.split("/"), value)
    try:
        command.model_validate(body)
    except ValidationError as error:
        found = findings(error)
        named = {finding["pointer"] for finding in found}
        # Whoever reads it knows JSON, not how this is made.
        says = {finding["detail"] for finding in found}
        assert not any(
            re.search("input|string should|tuple|pattern", say, re.IGNORECASE) for say in says
        )
        assert all((pointer + "/").startswith(f"/{path}/") for pointer in named), named
        return False
    return True


def _sample(stem: str) -> dict[str, Any]:
    event = json.loads((EVENTS / f"{stem}.json").read_text())
    path = dict(event.get("pathParameters", {}))
    path.pop("order_id", None)
    body: dict[str, Any] = json.loads(event.get("body") or "{}")
    if stem == "place_order":
        body["billing_address"] = dict(ADDRESS)
    if stem == "receive_return":
        body["items"] = [{"line_id": 1, "quantity": 1}]
    return body | path


def _with(body: dict[str, Any], path: list[str], value: object) -> dict[str, Any]:
    if path == ["amount_off"]:
        body.pop("percent_off", None)
    if path == ["percent_off"]:
        body.pop("amount_off", None)
    changed = copy.deepcopy(body)
    place: Any = changed
    for step in path[:-1]:
        place = place[int(step) if step.isdigit() else step]
    place[path[-1]] = value
    return changed


def fields(names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("field", names.split())


def test_every_field_that_is_sent_is_tried_here_or_elsewhere() -> None:
    tried = " ".join([*TEXTS.values(), QUANTITIES, FRACTIONS, PARTS, COUNTRIES]).split()
    tried += [f"{field}/{part}" for field in MONEY.split() for part in ("amount", "currency")]
    tried += [f"{field}/0/line_id" for field in LISTS]
    tried += ["apply_coupon/percent_off", "place_order/currency", "place_order/placed_at"]
    in_path = {"line_id", "payment_id", "shipment_id", "return_id"}
    untried = [
        field
        for stem, module in COMMANDS.items()
        for field in _limited(module.handler.command.model_json_schema(), stem)
        if field not in tried and field.removeprefix(f"{stem}/") not in in_path
    ]
    assert untried == []


def _limited(schema: dict[str, Any], at: str, root: dict[str, Any] | None = None) -> list[str]:
    root = root or schema
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    if schema.get("type") == "null":
        return []
    below = [
        *((at, option) for option in schema.get("anyOf", ())),
        *((f"{at}/{name}", field) for name, field in schema.get("properties", {}).items()),
    ]
    if "items" in schema:
        below.append((f"{at}/0", schema["items"]))
    found = [field for place, part in below for field in _limited(part, place, root)]
    return found if below or schema.get("type") == "object" else [at]


@pytest.mark.parametrize(
    ("field", "longest"),
    [(field, longest) for longest, names in TEXTS.items() for field in names.split()],
)
def test_text_has_its_length(field: str, longest: int) -> None:
    assert accepts(field, "x")
    assert accepts(field, "x" * (longest - 1))
    assert accepts(field, "x" * longest)
    assert not accepts(field, "x" * (longest + 1))
    assert not accepts(field, "")
    # Characters count, whatever they take in bytes or on paper.
    assert accepts(field, "😀" * longest)
    assert accepts(field, "e\u0301" * (longest // 2))
    assert accepts(field, "\u05e9\u05dc\u05d5\u05dd" * (longest // 4))
    assert not accepts(field, "e\u0301" * (longest // 2) + "xx")


@pytest.mark.parametrize("value", ["a\x00b", "\ud800", 7, True, [], {}, None])
@fields(" ".join(TEXTS.values()))
def test_what_is_no_text_is_refused(field: str, value: object) -> None:
    assert accepts(field, value) is (value is None and field in OPTIONAL.split())


@fields(QUANTITIES)
def test_a_quantity_is_a_whole_number_up_to_a_million(field: str) -> None:
    assert accepts(field, 1)
    assert accepts(field, 999_999)
    assert accepts(field, 1_000_000)
    assert not accepts(field, 1_000_001)
    assert not accepts(field, 10**30)
    assert not accepts(field, -1)
    # What came back may be none of what was to come back.
    assert accepts(field, 0) is field.startswith("receive_return")
    for value in (1.0, 1.5, "1", True, None, [1]):
        assert not accepts(field, value)


@fields(FRACTIONS)
def test_a_fraction_is_a_string_from_0_to_1_of_6_digits(field: str) -> None:
    for value in ("0", "0.000001", "0.5", "0.999999", "1", "1.000000"):
        assert accepts(field, value)
    for wrong in ("0.0000001", "1.000001", "1.1", "2", "-0.1", ".5", "1.", "", "5%", 0.5, 0, None):
        assert not accepts(field, wrong)


def test_a_percentage_is_a_string_from_0_to_100_of_4_digits() -> None:
    field = "apply_coupon/percent_off"
    for value in ("0", "0.0001", "12.5", "99.9999", "100", "100.0000"):
        assert accepts(field, value)
    for wrong in ("0.00001", "100.0001", "101", "-1", "1e1", "", 10, 12.5):
        assert not accepts(field, wrong)


@fields(MONEY)
def test_an_amount_is_a_decimal_string_of_its_currencys_digits(field: str) -> None:
    # Where a whole order is sent its currency is the order's; the others may have any.
    currencies = {"EUR": 2} if field.startswith("place_order") else {"JPY": 0, "EUR": 2, "KWD": 3}
    for currency, digits in currencies.items():
        below = f".{'9' * digits}" if digits else ""
        for amount in ("1", f"1{below}", f"{'9' * 12}{below}", f"0{below}" if digits else "1"):
            assert accepts(field, {"amount": amount, "currency": currency})
        for wrong in (f"1.{'0' * (digits + 1)}", f"{'9' * 13}{below}", f"{'9' * 400}"):
            assert not accepts(field, {"amount": wrong, "currency": currency})
    for wrong in ("-1", "+1", "1e3", "1E-2", "", " 1", "1,5", "NaN", "Infinity", "\u0661", "0x1"):
        assert not accepts(field, {"amount": wrong, "currency": "EUR"})
    no_money: list[object] = [1, 1.5, "1", None, [], {"amount": "1"}, {"currency": "EUR"}]
    for value in no_money:
        if value is None and field in {"place_order/shipping_fee", "capture_payment/amount"}:
            assert accepts(field, None)
        elif not (value is None and field == "apply_coupon/amount_off"):
            assert not accepts(field, value)
    for unknown in ("eur", "EURO", "XXX", "ZZZ", "", "E", None, 978):
        assert not accepts(field, {"amount": "1", "currency": unknown})
    zero = {"amount": "0.00", "currency": "EUR"}
    assert accepts(field, zero) is (field not in MORE_THAN_NOTHING.split())


@fields(PARTS)
def test_an_id_of_a_part_has_64_characters_that_a_path_can_have(field: str) -> None:
    for value in ("1", "a" * 63, "a" * 64, "A.b_c~d-9"):
        assert accepts(field, value)
    for wrong in ("", "a" * 65, "a b", "a/b", "ä", "-a", ".", "a\n", "a\x00", "😀", 1, None):
        assert not accepts(field, wrong)


@fields(COUNTRIES)
def test_a_country_is_two_capitals(field: str) -> None:
    assert accepts(field, "DE")
    for wrong in ("D", "DEU", "de", "", "D1", "DE\n", "ДЕ", None, 49):
        assert not accepts(field, wrong)


@pytest.mark.parametrize("field", LISTS)
def test_a_list_of_items_has_its_length(field: str) -> None:
    fewest, item = LISTS[field]

    def items(count: int) -> list[dict[str, Any]]:
        return [item | {"line_id": number} for number in range(1, count + 1)]

    assert accepts(field, items(1))
    assert accepts(field, items(499))
    assert accepts(field, items(500))
    assert not accepts(field, items(501))
    assert accepts(field, []) is (fewest == 0)
    assert not accepts(field, [*items(2), item])  # its first line again
    assert not accepts(field, [{}] * 80_000)
    wrongs: list[object] = [{}, "1", 1, [1], [None]]
    for wrong in wrongs:
        assert not accepts(field, wrong)


def test_a_line_that_is_named_again_is_told_with_what_else_is_wrong() -> None:
    items = [{"line_id": 1, "quantity": 0}, {"line_id": 1, "quantity": 1}, {"quantity": 1}, 7]
    with pytest.raises(ValidationError) as caught:
        COMMANDS["ship_items"].handler.command.model_validate(
            {"shipment_id": "s", "carrier": "DHL", "items": items}
        )
    assert {finding["pointer"] for finding in findings(caught.value)} == {
        "/items/0/quantity",
        "/items/1/line_id",
        "/items/2/line_id",
        "/items/3",
    }


def test_a_line_id_is_a_small_number() -> None:
    for value in (1, 999_999, 1_000_000):
        assert accepts("ship_items/items/0/line_id", value)
    for wrong in (0, -1, 1_000_001, "1", 1.0, None):
        assert not accepts("ship_items/items/0/line_id", wrong)


@pytest.mark.parametrize("stem", COMMANDS)
def test_an_unknown_field_is_refused(stem: str) -> None:
    assert not accepts(f"{stem}/surprise", 1)
