"""Released events change only as their readers can bear."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.contracts.compatibility import changes, incompatibilities, unreadable_currencies
from infra.contracts.events import schema_of
from ordering.domain.values import CURRENCY_DIGITS

if TYPE_CHECKING:
    from collections.abc import Callable

EVENTS = Path(__file__).parents[2] / "docs" / "events"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s["properties"].pop("carrier"), "/carrier: the field is gone"),
        (lambda s: s["$defs"]["Item"]["properties"].pop("quantity"), "/items/*/quantity: the fiel"),
        (lambda s: s["$defs"]["Line"]["properties"].pop("lost"), "/after/lines/*/lost: the field"),
        (lambda s: s["required"].append("tracking_number"), "/tracking_number: the field is requ"),
        (lambda s: s["required"].remove("carrier"), "/carrier: the field is not required any more"),
        (lambda s: s["properties"]["carrier"].update(type="integer"), "/carrier: type was"),
        (lambda s: s["properties"]["carrier"].update(maxLength=50), "/carrier: maxLength was 100"),
        (lambda s: s["properties"]["carrier"].pop("maxLength"), "/carrier: maxLength was 100"),
        (
            lambda s: s["$defs"]["Shipment"]["properties"]["state"]["enum"].remove("lost"),
            "/after/shipments/*/state: enum was",
        ),
        (lambda s: s["$defs"]["Totals"].update(type="array"), "/after/totals: type was"),
        (lambda s: s["properties"]["carrier"].update(maxLength=200), "/carrier: maxLength was 100"),
        (lambda s: s["properties"]["carrier"].update(pattern="^D"), "/carrier: pattern was not"),
        (
            lambda s: s["$defs"]["Line"]["properties"]["lost"].update(default=1),
            "/after/lines/*/lost: default was 0 and is 1",
        ),
        (
            lambda s: s["$defs"]["Line"]["properties"]["lost"].pop("default"),
            "/after/lines/*/lost: default was 0 and is not there",
        ),
        (
            lambda s: s["properties"]["tracking_number"].update(default="none"),
            "/tracking_number: default was not there",
        ),
        (
            lambda s: s["$defs"]["Return"]["properties"]["items"].update(maxItems=1),
            "/after/returns/*/items: maxItems was not there",
        ),
        (
            lambda s: s["$defs"]["ReturnItem"]["properties"]["reason"].pop("x-personal"),
            "/after/returns/*/items/*/reason: x-personal was true and is not there",
        ),
    ],
)
def test_an_incompatible_change_of_a_released_event_is_named(
    change: Callable[[dict[str, Any]], object], message: str
) -> None:
    released = schema_of("ItemsShipped")
    current = copy.deepcopy(released)
    change(current)
    found = list(changes(released, current))
    assert found
    assert found[0].startswith(message)


@pytest.mark.parametrize(
    "change",
    [
        lambda _: None,
        lambda s: s["properties"].update(weight={"type": "string"}),
        lambda s: s["$defs"]["Line"]["properties"].update(colour={"type": "string"}),
        lambda s: s["properties"]["carrier"].update(description="who brings it"),
        lambda s: s["properties"]["carrier"].update({"x-personal": True}),
        lambda s: s["$defs"]["Shipment"]["properties"]["state"]["enum"].reverse(),
        lambda s: s["required"].reverse(),
        # Said in its place instead of referred to: the same.
        lambda s: s["properties"]["items"].update(items=copy.deepcopy(s["$defs"]["Item"])),
    ],
)
def test_an_optional_field_or_another_description_is_compatible(
    change: Callable[[dict[str, Any]], object],
) -> None:
    released = schema_of("ItemsShipped")
    current = copy.deepcopy(released)
    change(current)
    assert not list(changes(released, current))


LINE = {
    "type": "object",
    "properties": {"sku": {"type": "string", "maxLength": 64}},
    "required": ["sku"],
}


def with_line(field: dict[str, Any], line: dict[str, Any] = LINE) -> dict[str, Any]:
    return {"type": "object", "properties": {"line": field}, "$defs": {"Line": line}}


TO_LINE = {"$ref": "#/$defs/Line"}
OTHER_LINE = {**LINE, "properties": {"sku": {"type": "string", "maxLength": 50}}}


@pytest.mark.parametrize(
    "field",
    [
        TO_LINE,
        {"anyOf": [TO_LINE, {"type": "null"}]},
        {"oneOf": [{"type": "string"}, TO_LINE]},
        {"allOf": [TO_LINE]},
        {"not": TO_LINE},
        {"type": "array", "items": TO_LINE},
        {"type": "array", "prefixItems": [{"type": "integer"}, TO_LINE]},
        {"type": "array", "contains": TO_LINE},
        {"type": "object", "additionalProperties": TO_LINE},
        {"type": "object", "patternProperties": {"^x": TO_LINE}},
        {"type": "object", "properties": {"deep": {"anyOf": [TO_LINE, {"type": "null"}]}}},
    ],
    ids=lambda field: " ".join(name for name in field if name != "type"),
)
def test_what_a_reference_points_to_is_compared_wherever_it_is(field: dict[str, Any]) -> None:
    (change, *_) = changes(with_line(field), with_line(field, OTHER_LINE))
    assert change.endswith("/sku: maxLength was 64 and is 50")
    fields = {"sku": {"type": "string", "maxLength": 64}, "colour": {"type": "string"}}
    more = {**LINE, "properties": fields}
    assert not list(changes(with_line(field), with_line(field, more)))


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ([TO_LINE], [TO_LINE, {"type": "null"}], "anyOf was"),
        ([TO_LINE, {"type": "null"}], [TO_LINE], "anyOf was"),
        ([TO_LINE, {"type": "null"}], [TO_LINE, {"type": "string"}], "type was"),
    ],
)
def test_another_choice_is_named(before: list[Any], after: list[Any], message: str) -> None:
    (change,) = changes(with_line({"anyOf": before}), with_line({"anyOf": after}))
    assert message in change


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"type": "string"}, "/second: type was"),
        ({**TO_LINE, "minProperties": 1}, "/second: minProperties was not there"),
        ({**LINE, "required": []}, "/second/sku: the field is not required any more"),
    ],
    ids=["another type", "one more limit", "said in its place"],
)
def test_each_use_of_a_definition_is_looked_at(second: dict[str, Any], message: str) -> None:
    def twice(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
        return {"properties": {"first": first, "second": second}, "$defs": {"Line": LINE}}

    released = twice(TO_LINE, TO_LINE)
    for first in (TO_LINE, LINE):
        assert not list(changes(released, twice(first, first)))
        assert any(change.startswith(message) for change in changes(released, twice(first, second)))


@pytest.mark.parametrize(
    ("others", "field", "is_compatible"),
    [
        (True, {"type": "string"}, True),
        (False, {"type": "string"}, False),
        ({"type": "integer"}, {"type": "string"}, False),
        ({"type": "integer"}, {"type": "integer"}, True),
    ],
)
def test_a_new_field_is_one_that_readers_let_pass(
    others: object, field: dict[str, Any], is_compatible: bool
) -> None:
    released = {"type": "object", "properties": {}, "additionalProperties": others}
    current = {**released, "properties": {"new": field}}
    assert (not list(changes(released, current))) == is_compatible


@pytest.mark.parametrize(
    ("digits", "expected"),
    [
        (CURRENCY_DIGITS, []),
        (CURRENCY_DIGITS | {"XXX": 2}, []),
        (CURRENCY_DIGITS | {"EUR": 3}, ["EUR had 2 digits and has 3"]),
        (
            {c: d for c, d in CURRENCY_DIGITS.items() if c != "JPY"},
            ["JPY had 0 digits and is gone"],
        ),
    ],
    ids=["as they are", "one more", "other digits", "one gone"],
)
def test_no_released_currency_is_lost(digits: dict[str, int], expected: list[str]) -> None:
    assert list(unreadable_currencies(EVENTS / "released", digits)) == expected


def test_a_released_version_must_not_disappear(tmp_path: Path) -> None:
    (tmp_path / "released").mkdir()
    (tmp_path / "released" / "OrderEaten.v1.json").write_text("{}")
    found = list(incompatibilities(tmp_path / "released", tmp_path))
    assert found == ["OrderEaten.v1 is released and has disappeared"]


def test_everything_released_is_still_there_unchanged_or_compatible() -> None:
    assert list((EVENTS / "released").glob("*.json"))
    assert not list(incompatibilities(EVENTS / "released", EVENTS / "schemas"))
