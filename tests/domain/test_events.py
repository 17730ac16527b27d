"""Events of every schema version that was ever recorded, as every reader gets them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from ordering.delivery.published import PublishedEvent
from ordering.domain.events import EVENT_TYPES
from ordering.domain.evolution import evolve, record
from ordering.domain.recorded import UnknownEventError, parse
from projectors import customer_orders, order_details
from tests.domain.vocabulary import NOW

if TYPE_CHECKING:
    from ordering.domain.order import Order
    from ordering.domain.recorded import Recorded

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "tests" / "data" / "events"
SCHEMAS = ROOT / "docs" / "events" / "schemas"
VERSIONS = [
    (name, version)
    for name, event in EVENT_TYPES.items()
    for version in range(1, event.schema_version + 1)
]
every_version = pytest.mark.parametrize(
    ("name", "version"), VERSIONS, ids=[f"{name}.v{version}" for name, version in VERSIONS]
)


def sample(name: str, version: int) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((SAMPLES / f"{name}.v{version}.json").read_text())
    return data


def test_there_is_a_sample_and_a_schema_of_every_version_and_no_others() -> None:
    expected = {f"{name}.v{version}" for name, version in VERSIONS}
    assert {file.stem for file in SAMPLES.glob("*.json")} == expected
    assert {file.stem for file in SCHEMAS.glob("*.json")} == expected | {"Watermark.v1"}


@every_version
def test_a_stored_event_is_read_in_its_newest_version(name: str, version: int) -> None:
    recorded = parse(name, version, sample(name, version))
    assert type(recorded.fact) is EVENT_TYPES[name]
    newest = EVENT_TYPES[name].schema_version
    assert parse(name, newest, json.loads(recorded.data())) == recorded


@every_version
def test_a_stored_event_fits_the_schema_of_its_version(name: str, version: int) -> None:
    schema = json.loads((SCHEMAS / f"{name}.v{version}.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:ordering:events:{name}:{version}"
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(sample(name, version))
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({})


@every_version
def test_what_the_newest_code_makes_of_a_stored_event_fits_the_newest_schema(
    name: str, version: int
) -> None:
    newest = EVENT_TYPES[name].schema_version
    schema = json.loads((SCHEMAS / f"{name}.v{newest}.json").read_text())
    data = json.loads(parse(name, version, sample(name, version)).data())
    jsonschema.Draft202012Validator(schema).validate(data)


def test_orders_of_version_1_are_what_they_would_be_today() -> None:
    old: Order | None = None
    for name in ("OrderPlaced", "OrderConfirmed", "OrderCancelled"):
        old = evolve(old, parse(name, 1, sample(name, 1)).fact)
    placed = parse("OrderPlaced", 2, sample("OrderPlaced", 2)).fact
    confirmed, cancelled = (
        parse(name, 2, sample(name, 2)).fact for name in ("OrderConfirmed", "OrderCancelled")
    )
    assert old == record(None, [placed, confirmed, cancelled])[1]


def test_version_1_says_of_a_placed_order_what_version_2_says() -> None:
    upcast = parse("OrderPlaced", 1, sample("OrderPlaced", 1))
    (today,), _ = record(None, [upcast.fact])
    assert upcast == today


def test_read_models_follow_a_life_of_version_1_as_one_of_today() -> None:
    names = ("OrderPlaced", "OrderConfirmed", "OrderCancelled")
    stored = [parse(name, 1, sample(name, 1)) for name in names]
    today, _ = record(None, [event.fact for event in stored])
    for fold in (order_details.fold, customer_orders.fold):
        document, document_of_today = None, None
        for version, (old, new) in enumerate(zip(stored, today, strict=True), start=1):
            document = fold(document, published(version, old))
            document_of_today = fold(document_of_today, published(version, new))
            assert document == document_of_today
        assert document is not None
        assert document["status"] == "cancelled"


def published(version: int, event: Recorded) -> PublishedEvent:
    return PublishedEvent("an-order", version, NOW, "operator", "c", "t", event.fact, event.after)


@pytest.mark.parametrize(
    ("name", "version", "message"),
    [
        ("OrderEaten", 1, "unknown event type 'OrderEaten'"),
        ("OrderPlaced", 3, "OrderPlaced has schema version 2 here, not 3"),
        ("NoteAdded", 0, "NoteAdded has schema version 1 here, not 0"),
    ],
)
def test_what_this_code_does_not_know_is_refused(name: str, version: int, message: str) -> None:
    with pytest.raises(UnknownEventError, match=message):
        parse(name, version, {})


@every_version
@pytest.mark.parametrize("damaged", [None, [], "text", {}, {"after": {}}, {"status": 7}])
def test_damaged_data_is_refused(name: str, version: int, damaged: object) -> None:
    with pytest.raises(ValueError, match=r"not \w+|validation error|Field required"):
        parse(name, version, damaged)
