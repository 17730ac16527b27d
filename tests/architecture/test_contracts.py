"""The written contracts: valid, whole, and changed only as readers can bear."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import openapi_spec_validator
import pytest
import yaml

from infra.contracts.compatibility import changes, incompatibilities
from infra.contracts.events import schema_of
from infra.contracts.functions import read_template
from ordering.events import EVENT_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
EVENTS = ROOT / "docs" / "events"


def test_the_asyncapi_document_is_valid_and_has_every_event() -> None:
    document = yaml.safe_load((EVENTS / "asyncapi.yaml").read_text())
    schema = json.loads((ROOT / "tests" / "data" / "asyncapi" / "3.0.0.json").read_text())
    jsonschema.Draft7Validator(schema).validate(document)
    assert set(document["channels"]["orders"]["messages"]) == {*EVENT_TYPES, "Watermark"}
    for name, message in document["components"]["messages"].items():
        for reference in re.findall(r"'\./([^']*)'", str(message)):
            assert (EVENTS / reference).is_file(), (name, reference)


def test_each_example_fits_its_message() -> None:
    document = yaml.safe_load((EVENTS / "asyncapi.yaml").read_text())
    envelope = document["components"]["schemas"]["Envelope"]
    for name in EVENT_TYPES:
        message = document["components"]["messages"][name]
        (example,) = message["examples"]
        jsonschema.Draft202012Validator(envelope).validate(example["payload"])
        own = message["payload"]["allOf"][1]["properties"]
        assert own["type"]["const"] == example["payload"]["type"]
        assert own["dataschema"]["const"] == example["payload"]["dataschema"]


def test_every_event_reader_goes_through_parse() -> None:
    # Whoever validates an event's class by itself skips the upcasters.
    for folder in ("functions", "layers"):
        for file in (ROOT / folder).rglob("*.py"):
            if file.name == "recorded.py":
                continue
            for name in EVENT_TYPES:
                assert not re.search(rf"\b{name}\.model_validate", file.read_text()), file


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
    ],
)
def test_an_optional_field_or_another_description_is_compatible(
    change: Callable[[dict[str, Any]], object],
) -> None:
    released = schema_of("ItemsShipped")
    current = copy.deepcopy(released)
    change(current)
    assert not list(changes(released, current))


def test_a_released_version_must_not_disappear(tmp_path: Path) -> None:
    (tmp_path / "released").mkdir()
    (tmp_path / "released" / "OrderEaten.v1.json").write_text("{}")
    found = list(incompatibilities(tmp_path / "released", tmp_path))
    assert found == ["OrderEaten.v1 is released and has disappeared"]


def test_everything_released_is_still_there_unchanged_or_compatible() -> None:
    assert list((EVENTS / "released").glob("*.json"))
    assert not list(incompatibilities(EVENTS / "released", EVENTS / "schemas"))


def test_the_openapi_document_is_valid_and_has_every_route_of_the_template_and_no_others() -> None:
    document = json.loads((ROOT / "docs" / "api" / "openapi.json").read_text())
    openapi_spec_validator.validate(document)
    described = {
        (method.upper(), path, operation["operationId"], tuple(operation["security"][0]["jwt"]))
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert described == {
        (route.method, route.path, function.stem, route.scopes)
        for function in read_template().functions.values()
        for route in function.routes
    }


def test_each_example_of_the_openapi_document_fits_its_schema() -> None:
    document = json.loads((ROOT / "docs" / "api" / "openapi.json").read_text())
    tried = 0
    for operations in document["paths"].values():
        for operation in operations.values():
            if "requestBody" not in operation:
                continue
            content = operation["requestBody"]["content"]["application/json"]
            schema = {**content["schema"], "components": document["components"]}
            for example in content["examples"].values():
                jsonschema.Draft202012Validator(schema).validate(example["value"])
                tried += 1
    assert tried > 15
