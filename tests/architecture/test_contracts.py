"""The written contracts: valid, whole, and what every event reader goes through."""

from __future__ import annotations

import ast
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import openapi_spec_validator
import pytest
import yaml
from pydantic import ValidationError

from commands import apply_coupon
from infra.contracts.functions import files_of, read_template
from ordering.delivery.envelope import write_watermark
from ordering.domain.events import EVENT_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
EVENTS = ROOT / "docs" / "events"
VERSIONS = [
    f"{name}.v{version}"
    for name, event in EVENT_TYPES.items()
    for version in range(1, event.schema_version + 1)
]


def test_the_asyncapi_document_is_valid_and_has_every_event() -> None:
    document = yaml.safe_load((EVENTS / "asyncapi.yaml").read_text())
    schema = json.loads((ROOT / "tests" / "data" / "asyncapi" / "3.0.0.json").read_text())
    jsonschema.Draft7Validator(schema).validate(document)
    assert set(document["channels"]["orders"]["messages"]) == {*VERSIONS, "Watermark.v1"}
    for name, message in document["components"]["messages"].items():
        for reference in re.findall(r"'\./([^']*)'", str(message)):
            assert (EVENTS / reference).is_file(), (name, reference)


def test_each_example_fits_its_message() -> None:
    document = yaml.safe_load((EVENTS / "asyncapi.yaml").read_text())
    envelope = document["components"]["schemas"]["Envelope"]
    for name in VERSIONS:
        message = document["components"]["messages"][name]
        (example,) = message["examples"]
        schema = json.loads((EVENTS / "schemas" / f"{name}.json").read_text())
        jsonschema.Draft202012Validator(schema).validate(example["payload"]["data"])
        assert example["payload"]["dataschema"] == schema["$id"]
        jsonschema.Draft202012Validator(envelope).validate(example["payload"])
        own = message["payload"]["allOf"][1]["properties"]
        assert own["type"]["const"] == example["payload"]["type"]
        assert own["dataschema"]["const"] == example["payload"]["dataschema"]
        assert own["data"]["$ref"] == f"./schemas/{name}.json"


@pytest.mark.parametrize("withheld", [0, 3])
def test_watermarks_as_the_relay_writes_them_fit_their_message(withheld: int) -> None:
    document = yaml.safe_load((EVENTS / "asyncapi.yaml").read_text())
    message = document["components"]["messages"]["Watermark.v1"]
    schema = json.loads((EVENTS / "schemas" / "Watermark.v1.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    own = dict(message["payload"])
    assert own["properties"].pop("data") == {"$ref": "./schemas/Watermark.v1.json"}
    assert own["properties"]["dataschema"]["const"] == schema["$id"]
    (example,) = message["examples"]
    as_of = datetime(2026, 11, 22, 12, tzinfo=UTC)
    written = [
        json.loads(write_watermark(as_of, 4, partition=partition, withheld=withheld))
        for partition in range(4)
    ]
    for record in [example["payload"], *written]:
        jsonschema.Draft202012Validator(own).validate(record)
        jsonschema.Draft202012Validator(schema).validate(record["data"])
    # CloudEvents 1.0: records with the same source and id are duplicates.
    assert len({(record["source"], record["id"]) for record in written}) == 4
    assert {record["data"].get("withheld", 0) for record in written} == {withheld}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate({"as_of": as_of.isoformat()})


VALIDATES = re.compile(
    r"(model_validate\w*|model_construct|TypeAdapter|validate_(python|json|strings))$"
)


def what_makes_values_of_data(source: str, *, may_decide: bool) -> set[str]:
    """Name the calls that make a value of whatever data; events too, unless they are decided."""
    tree = ast.parse(source)
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    validators = {ast.unparse(f) for f in called if VALIDATES.search(ast.unparse(f))}
    events = {ast.unparse(f) for f in called if ast.unparse(f).rpartition(".")[2] in EVENT_TYPES}
    renamed = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname and alias.name in {*EVENT_TYPES, "EVENT_TYPES", "events"}
    }
    names = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    return validators | renamed | (names & {"EVENT_TYPES"}) | (set() if may_decide else events)


def test_every_event_reader_goes_through_parse() -> None:
    # Whoever makes an event of data by itself skips the upcasters.
    found = {}
    for folder in ("functions", "layers"):
        for file in (ROOT / folder).rglob("*.py"):
            may_decide = file.parent.name == "commands"
            calls = what_makes_values_of_data(file.read_text(), may_decide=may_decide)
            if calls:
                found[file.name] = calls
    assert found == {
        "recorded.py": {
            "EVENT_TYPES",
            "event.model_validate",
            "After.model_validate",
            # Of events in their newest version only, which no upcaster changes.
            "TypeAdapter",
            "of_fact.validate_json",
            "of_after.validate_json",
        },
        # No events: what clients send, the stored order, and a constant.
        "loop.py": {"self.command.model_validate"},
        "query.py": {"self.question.model_validate"},
        "operation.py": {"self.request.model_validate"},
        "store.py": {"Order.model_validate_json"},
        "evolution.py": {"Coupon.model_construct"},
    }


@pytest.mark.parametrize(
    "source",
    [
        "NoteAdded.model_validate(data)",
        "NoteAdded.model_validate_json(text)",
        "NoteAdded(**data)",
        "events.NoteAdded(text=data['text'])",
        "EVENT_TYPES[name].model_validate(data)",
        "event = EVENT_TYPES.get(name)",
        "TypeAdapter(OrderEvent).validate_python(data)",
        "from ordering.domain.events import NoteAdded as Fact",
        "from ordering.domain import events as facts",
    ],
)
def test_a_reader_of_its_own_is_found(source: str) -> None:
    assert what_makes_values_of_data(source, may_decide=False)


def test_the_openapi_document_is_valid_and_has_every_route_of_the_template_and_no_others() -> None:
    document = json.loads((ROOT / "docs" / "api" / "openapi.json").read_text())
    openapi_spec_validator.validate(document)
    described = {
        (
            method.upper(),
            path,
            operation["operationId"],
            # Each alternative is one scope that suffices.
            tuple(" ".join(alternative["jwt"]) for alternative in operation["security"]),
        )
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert described == {
        (route.method, route.path, function.stem, route.scopes)
        for function in read_template().functions.values()
        for route in function.routes
    }


def test_pages_of_other_origins_may_send_and_read_every_header_of_the_contract() -> None:
    cors = read_template().cors
    assert cors is not None
    components = json.loads((ROOT / "docs" / "api" / "openapi.json").read_text())["components"]
    sent = {parameter["name"].lower() for parameter in components["parameters"].values()}
    # Browsers or tracing libraries send the others by themselves.
    by_themselves = {"authorization", "content-type", "tracestate", "baggage"}
    assert {*cors.allow_headers} == sent | by_themselves
    read = {name.removesuffix(".optional").lower() for name in components["headers"]}
    safe = {"cache-control", "content-language", "content-type", "expires", "last-modified"}
    assert read - {*cors.expose_headers} - safe == set()
    # The gateway's own: a page has to tell why it needs a new token, and what to ask support about.
    assert {"www-authenticate", "apigw-requestid"} <= {*cors.expose_headers}
    assert cors.max_age == 7200  # as long as Chromium keeps the answer to a preflight


def test_each_example_of_the_openapi_document_fits_its_schema() -> None:
    document = json.loads((ROOT / "docs" / "api" / "openapi.json").read_text())
    components = document["components"]
    for operations in document["paths"].values():
        for operation in operations.values():
            asked = {"request": operation["requestBody"]} if "requestBody" in operation else {}
            tried = set()
            for name, about in {**asked, **operation["responses"]}.items():
                for content in about.get("content", {}).values():
                    validator = jsonschema.Draft202012Validator(
                        {**content["schema"], "components": components}
                    )
                    for example in content.get("examples", {}).values():
                        _, _, shared = example.get("$ref", "").rpartition("/")
                        validator.validate((components["examples"].get(shared) or example)["value"])
                        tried.add(name)
            # The others are the gateway's, or say nothing more than their code.
            wanted = {"200", "201", "400", "412", "413", "415", "422"} & {*operation["responses"]}
            assert tried >= {*asked, *wanted}, operation["operationId"]


def test_no_example_of_a_problem_is_left_over() -> None:
    text = (ROOT / "docs" / "api" / "openapi.json").read_text()
    for name in json.loads(text)["components"]["examples"]:
        assert f'"#/components/examples/{name}"' in text


def parts_of(document: object, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every object of a JSON document with where it is."""
    if isinstance(document, dict):
        yield path, document
        for name, value in document.items():
            yield from parts_of(value, f"{path}/{name}")
    elif isinstance(document, list):
        for number, value in enumerate(document):
            yield from parts_of(value, f"{path}/{number}")


def test_each_problem_is_a_plain_reference_and_names_its_codes() -> None:
    # Generators drop a problem that says more, or make a model of their own for each.
    document = json.loads((ROOT / "docs" / "api" / "openapi.json").read_text())
    count = 0
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if int(status) < 400:
                    continue
                count += 1
                for content in response["content"].values():
                    assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
                assert response["x-problem-codes"], path
                for code in response["x-problem-codes"]:
                    assert f"- `{code}`" in response["description"]
    assert count > 300


def test_each_object_and_each_enum_has_a_name_that_generators_take() -> None:
    document = json.loads((ROOT / "docs" / "api" / "openapi.json").read_text())
    components = document["components"]["schemas"]
    named = {f"/components/schemas/{name}" for name in components}
    for where, part in parts_of(document):
        if "/value" in where or where.endswith("/properties") or "/headers/" in where:
            continue
        is_object = part.get("type") == "object" and "properties" in part
        is_inline = is_object or "enum" in part or "oneOf" in part
        assert not is_inline or where in named, where


def test_no_default_makes_a_field_required() -> None:
    document = json.loads((ROOT / "docs" / "api" / "openapi.json").read_text())
    for where, part in parts_of(document["components"]["schemas"]):
        assert "default" not in part or where.endswith("/properties"), where


def test_each_text_parameter_and_header_has_a_length() -> None:
    document = json.loads((ROOT / "docs" / "api" / "openapi.json").read_text())
    components = document["components"]
    operations = [o for operations in document["paths"].values() for o in operations.values()]
    own = [p for operation in operations for p in operation["parameters"] if "$ref" not in p]
    for about in (*own, *components["parameters"].values(), *components["headers"].values()):
        schema = about["schema"]
        if schema.get("type") == "string" and "enum" not in schema:
            assert schema["maxLength"] > 0, about


def test_one_of_two_fields_is_a_choice_between_two_schemas() -> None:
    document = json.loads((ROOT / "docs" / "api" / "openapi.json").read_text())
    schema = document["components"]["schemas"]["ApplyCoupon"] | {
        "components": document["components"]
    }
    validator = jsonschema.Draft202012Validator(schema)
    amount = {"amount": "1.00", "currency": "EUR"}
    for fields in (
        {"percent_off": "10"},
        {"percent_off": "10", "amount_off": None},
        {"amount_off": amount},
        {"amount_off": amount, "percent_off": None},
    ):
        assert validator.is_valid({"code": "c", **fields}), fields
        apply_coupon.ApplyCoupon.model_validate({"code": "c", **fields})
    for wrong in (
        {},
        {"percent_off": None, "amount_off": None},
        {"percent_off": "10", "amount_off": amount},
    ):
        assert not validator.is_valid({"code": "c", **wrong}), wrong
        with pytest.raises(ValidationError):
            apply_coupon.ApplyCoupon.model_validate({"code": "c", **wrong})


def test_a_field_may_be_null_where_the_document_says_so_and_nowhere_else() -> None:
    document = json.loads((ROOT / "docs" / "api" / "openapi.json").read_text())
    tried = set()
    for file in files_of("commands"):
        sample = json.loads((ROOT / "events" / f"{file.stem}.json").read_text())
        model = file.handler.command
        if model.__name__ not in document["components"]["schemas"]:
            continue  # it has no body
        reference = {"$ref": f"#/components/schemas/{model.__name__}"}
        validator = jsonschema.Draft202012Validator(
            reference | {"components": document["components"]}
        )
        path = {n: v for n, v in (sample.get("pathParameters") or {}).items() if n != "order_id"}
        body = json.loads(sample.get("body", "{}"))
        for name in model.model_fields.keys() - path.keys():
            sent = body | {name: None}
            try:
                model.model_validate(path | sent)
            except ValidationError:
                is_taken = False
            else:
                is_taken = True
            assert validator.is_valid(sent) == is_taken, (file.stem, name)
            tried.add(is_taken)
    assert tried == {True, False}
