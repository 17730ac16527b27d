"""What is on the topic: a JSON Schema per event, and the AsyncAPI document of all of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml
from pydantic import AwareDatetime, BaseModel, Field, create_model

from infra.contracts.declarations import sample_follows
from infra.contracts.examples import events_of
from infra.contracts.functions import MissingDeclarationError, files_of
from infra.contracts.schemas import Schema, plain
from ordering.delivery.envelope import (
    CONTENT_TYPE,
    SOURCE,
    WATERMARK_SCHEMA,
    WATERMARK_TYPE,
    write_watermark,
)
from ordering.domain.events import EVENT_TYPES
from ordering.domain.recorded import After

if TYPE_CHECKING:
    from collections.abc import Mapping

_ROOT: Final = Path(__file__).parents[2]
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
SCHEMAS: Final = "docs/events/schemas"
SAMPLES: Final = "tests/data/events"
TOPIC: Final = "ordering.orders"
WATERMARK: Final = "Watermark.v1"


class Watermark(BaseModel):
    """How far the partition is complete."""

    as_of: AwareDatetime = Field(
        description="every command acknowledged before is in this partition before this record"
    )
    partitions: int = Field(ge=1, description="of the topic, each of which gets watermarks")
    withheld: int | None = Field(
        default=None,
        ge=0,
        description="orders that Kafka does not take the next event of, so that events of theirs "
        "from before `as_of` are missing; none if it is not there",
    )


def documents() -> Mapping[str, str]:
    """Return the schemas of the newest versions, and the AsyncAPI document of all versions.

    And a sample of each event that has none yet; those that there are stay as they are.
    """
    samples = _missing_samples()
    written = {
        f"{SCHEMAS}/{name}.v{event.schema_version}.json": json.dumps(schema_of(name), indent=2)
        + "\n"
        for name, event in EVENT_TYPES.items()
    }
    written[f"{SCHEMAS}/{WATERMARK}.json"] = json.dumps(_watermark_schema(), indent=2) + "\n"
    asyncapi = yaml.safe_dump(_asyncapi(samples), sort_keys=False, allow_unicode=True, width=100)
    return {**samples, **written, "docs/events/asyncapi.yaml": asyncapi}


def _missing_samples() -> Mapping[str, str]:
    """Return samples of events that have none: what the commands' samples record."""
    missing = {
        name: path
        for name, event in EVENT_TYPES.items()
        if not (_ROOT / (path := _sample_path(name, event.schema_version))).exists()
    }
    if not missing:
        return {}
    recorded = {
        type(event.fact).__name__: event
        for file in files_of("commands")
        for _, event in events_of(*sample_follows(file.stem), file.stem)
    }
    for name, path in missing.items():
        if name not in recorded:
            raise MissingDeclarationError(
                f"no command's `SAMPLE` records {name}: declare one that does in its test, or"
                f" write {path}"
            )
    return {
        path: json.dumps(json.loads(recorded[name].data()), indent=2) + "\n"
        for name, path in missing.items()
    }


def _sample_path(name: str, version: int) -> str:
    return f"{SAMPLES}/{name}.v{version}.json"


def schema_of(name: str) -> Schema:
    """Return the schema of an event's data: the fact, and what followed from it as ``after``."""
    event = EVENT_TYPES[name]
    model = create_model(name, __base__=event, after=(After, ...))
    schema: Schema = plain(model.model_json_schema(mode="serialization"), tolerant=True)
    return {
        "$schema": _DIALECT,
        "$id": f"urn:ordering:events:{name}:{event.schema_version}",
        "title": name,
        "description": " ".join((event.__doc__ or "").split()),
        **{key: value for key, value in schema.items() if key != "description"},
    }


def _asyncapi(samples: Mapping[str, str]) -> dict[str, Any]:
    channel = "#/channels/orders"
    messages = {
        **{
            f"{name}.v{version}": _message(name, version, samples)
            for name, event in EVENT_TYPES.items()
            for version in range(1, event.schema_version + 1)
        },
        WATERMARK: _watermark(),
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Ordering: events",
            "version": "1.0.0",
            "description": (
                "Each change of an order's state is one record, a CloudEvents 1.0 object in "
                "structured mode. The records of one order are in version order on one partition; "
                "a record may come more than once. Readers ignore fields that they do not know, "
                "and skip versions of the order that they have applied. Records in an older schema "
                "version of an event may still be there."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": {
            "orders": {
                "address": TOPIC,
                "title": "Orders",
                "description": "Kept for two weeks; the log of record is in the write database.",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
            }
        },
        "operations": {
            "publishEvents": {
                "action": "send",
                "channel": {"$ref": channel},
                "summary": "The relay publishes what commands have recorded, and watermarks.",
            },
            "applyEvents": {
                "action": "receive",
                "channel": {"$ref": channel},
                "summary": "Each projector applies every order's events in version order.",
            },
        },
        "components": {
            "messages": messages,
            "schemas": {"Envelope": _envelope()},
        },
    }


def _message(name: str, version: int, samples: Mapping[str, str]) -> dict[str, Any]:
    event = EVENT_TYPES[name]
    older = (
        "" if version == event.schema_version else f" (Not written any more: v{version + 1} is.)"
    )
    attributes = {
        "type": {"const": f"ordering.order.{name}.v{version}"},
        "dataschema": {"const": f"urn:ordering:events:{name}:{version}"},
        "data": {"$ref": f"./schemas/{name}.v{version}.json"},
    }
    path = _sample_path(name, version)
    sample = json.loads(samples.get(path) or (_ROOT / path).read_text())
    return {
        "name": f"{name}.v{version}",
        "title": f"{name}, version {version}",
        "summary": " ".join((event.__doc__ or "").split()) + older,
        "contentType": CONTENT_TYPE,
        "payload": {
            "allOf": [
                {"$ref": "#/components/schemas/Envelope"},
                {"type": "object", "properties": attributes},
            ]
        },
        "bindings": {"kafka": {"key": _order_id(), "bindingVersion": "0.5.0"}},
        "examples": [{"name": name, "payload": _example(name, version, sample)}],
    }


def _example(name: str, version: int, sample: Schema) -> dict[str, Any]:
    order_id = "00000000-0000-7000-8000-000000000001"
    return {
        "specversion": "1.0",
        "id": f"{order_id}/1",
        "source": SOURCE,
        "type": f"ordering.order.{name}.v{version}",
        "subject": order_id,
        "time": "2026-11-22T12:00:00+00:00",
        "datacontenttype": "application/json",
        "dataschema": f"urn:ordering:events:{name}:{version}",
        "sequence": "1",
        "partitionkey": order_id,
        "actor": "operator",
        "correlationid": "c0ffee",
        "causationid": "c0ffee",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "data": sample,
    }


def _order_id() -> Schema:
    return {"type": "string", "format": "uuid", "description": "the order's id"}


def _envelope() -> Schema:
    text = {"type": "string"}
    return {
        "type": "object",
        "description": "CloudEvents 1.0, structured mode",
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {**text, "description": "<order id>/<version>: the same for a repeated record"},
            "source": {"const": SOURCE},
            "type": {**text, "description": "ordering.order.<event>.v<schema version>"},
            "subject": _order_id(),
            "time": {**text, "format": "date-time", "description": "when it was recorded"},
            "datacontenttype": {"const": "application/json"},
            "dataschema": {**text, "description": "the $id of the data's schema"},
            "sequence": {**text, "pattern": "^[1-9][0-9]*$", "description": "the order's version"},
            "partitionkey": _order_id(),
            "actor": {**text, "description": "who sent the command"},
            "correlationid": text,
            "causationid": {**text, "description": "the command's idempotency key, if it had one"},
            "traceparent": {**text, "description": "W3C Trace Context of the command"},
            "data": {"type": "object"},
        },
        "required": ["specversion", "id", "source", "type", "subject", "time", "sequence", "data"],
    }


def _watermark_schema() -> Schema:
    return {
        "$schema": _DIALECT,
        "$id": WATERMARK_SCHEMA,
        "title": "Watermark",
        "description": Watermark.__doc__,
        **plain(Watermark.model_json_schema(), tolerant=True),
    }


def _watermark() -> dict[str, Any]:
    as_of = datetime(2026, 11, 22, 12, tzinfo=UTC)
    return {
        "name": WATERMARK,
        "title": "Watermark",
        "summary": "How far the partition is complete; on every partition, without a key.",
        "contentType": CONTENT_TYPE,
        "payload": {
            "type": "object",
            "properties": {
                "specversion": {"const": "1.0"},
                "id": {"type": "string", "description": "watermark/<partition>/<as of>"},
                "source": {"const": SOURCE},
                "type": {"const": WATERMARK_TYPE},
                "time": {"type": "string", "format": "date-time"},
                "datacontenttype": {"const": "application/json"},
                "dataschema": {"const": WATERMARK_SCHEMA},
                "data": {"$ref": f"./schemas/{WATERMARK}.json"},
            },
            "required": ["specversion", "id", "source", "type", "data"],
        },
        "examples": [{"name": "Watermark", "payload": json.loads(write_watermark(as_of, 4))}],
    }
