"""What the functions answer, as schemas: receipts of commands, documents of queries, problems."""

from __future__ import annotations

from typing import Any, Final, get_args

from pydantic import TypeAdapter

from infra.contracts.schemas import Schema, plain
from ordering.events import EVENT_TYPES
from ordering.parts import (
    Balance,
    Coupon,
    Line,
    Payment,
    Refund,
    Return,
    Shipment,
    Totals,
    Units,
)
from ordering.values import Address, Currency, Status, Sum, Value
from projectors.order_details import AMOUNTS


class MoneyAnswer(Value):
    """An amount with its currency; computed ones may have more digits than a client may send."""

    amount: Sum
    currency: Currency


_MONEY: Final = {"$ref": "#/components/schemas/Money"}
_TEXT: Final = {"type": "string"}
_TIME: Final = {"type": "string", "format": "date-time"}
_COUNT: Final = {"type": "integer", "minimum": 0}
_UUID: Final = {"type": "string", "format": "uuid"}
STATUS: Final = {"type": "string", "enum": list(get_args(Status))}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _object(properties: Schema, description: str = "") -> Schema:
    said = {"description": description} if description else {}
    return {**said, "type": "object", "properties": properties, "required": list(properties)}


def _list_of(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


RECEIPT: Final = _object(
    {
        "order_id": _UUID,
        "version": {"type": "integer", "minimum": 1},
        "status": STATUS,
        "events": _list_of({"type": "string", "enum": list(EVENT_TYPES)}),
    },
    "What a command did: none, where the order was as the command wants it already.",
)

PROBLEM: Final[Schema] = {
    "type": "object",
    "description": "RFC 9457 problem details",
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": {**_TEXT, "description": "what is wrong and what to do, for people"},
        "code": {**_TEXT, "pattern": "^[a-z0-9-]+$", "description": "stable, for programs"},
        "correlation_id": {**_TEXT, "description": "what our logs know the request by"},
        "errors": _list_of(
            _object(
                {
                    "pointer": {**_TEXT, "description": "JSON pointer (RFC 6901) to the field"},
                    "detail": _TEXT,
                }
            )
        ),
        "current_version": {"type": "integer", "description": "of the order, with 412"},
    },
    "required": ["type", "title", "status", "detail", "code", "correlation_id"],
}

GATEWAY_ERROR: Final[Schema] = {
    "type": "object",
    "description": "An error of API Gateway's own",
    "properties": {"message": _TEXT},
    "required": ["message"],
}


def _definitions(model: Any, definitions: dict[str, Schema]) -> Schema:  # noqa: ANN401 - any type
    """Give a model's schema; what it refers to goes to ``definitions``."""
    template = "#/components/schemas/{model}"
    adapter: TypeAdapter[Any] = TypeAdapter(model)
    schema = adapter.json_schema(mode="serialization", ref_template=template)
    for name, definition in schema.pop("$defs", {}).items():
        definitions[name] = plain(definition, tolerant=True, nulls=True)
    written: Schema = plain(schema, tolerant=True, nulls=True)
    return written


def _part(model: Any, definitions: dict[str, Schema]) -> Schema:  # noqa: ANN401 - a model of a part
    """Give the schema of a part as documents show it: every field, amounts as money."""
    schema = _definitions(model, definitions)
    for name in schema["properties"].keys() & AMOUNTS:
        about = {k: v for k, v in schema["properties"][name].items() if k == "description"}
        schema["properties"][name] = {**_MONEY, **about}
    schema["required"] = list(schema["properties"])
    return schema


def _sums(model: Any) -> Schema:  # noqa: ANN401 - a model whose fields are all amounts
    return _object(dict.fromkeys(model.model_fields, _MONEY))


def documents() -> dict[str, Schema]:
    """Give the schemas of all answers, by the names that operations refer to them by."""
    found: dict[str, Schema] = {
        "Receipt": RECEIPT,
        "Problem": PROBLEM,
        "GatewayError": GATEWAY_ERROR,
    }
    for model in (Line, Payment, Shipment, Return, Refund):
        found[model.__name__] = _part(model, found)
    found["Coupon"] = _part(Coupon, found)
    # Not what the client may send, which a coupon refers to by the same name.
    found["Money"] = _definitions(MoneyAnswer, {})
    found["Address"] = _part(Address, found)
    found["Units"] = _part(Units, found)
    found["Order"] = _order()
    found["OrderItem"] = _object(
        {
            "order_id": _UUID,
            "version": {"type": "integer", "minimum": 1},
            "status": STATUS,
            "updated_at": _TIME,
            "customer_id": _TEXT,
            "reference": _or_null(_TEXT),
            "placed_at": _TIME,
            "currency": _TEXT,
            "total": _MONEY,
            "line_count": _COUNT,
            "item_count": {**_COUNT, "description": "units neither cancelled nor returned"},
        }
    )
    found["OrderList"] = _page({"$ref": "#/components/schemas/OrderItem"})
    read_model = {
        "name": _TEXT,
        "as_of": _or_null(_TIME),
        "age_seconds": _or_null({"type": "number"}),
        "events_behind": _or_null(_COUNT),
    }
    found["ReadModels"] = _page(_object(read_model))
    return found


def _page(item: Schema) -> Schema:
    return _object({"items": _list_of(item), "next_cursor": _or_null(_TEXT)})


def _order() -> Schema:
    def part(name: str) -> Schema:
        return {"$ref": f"#/components/schemas/{name}"}

    held = _object({"since": _TIME, "reason": _TEXT})
    fulfilment = _object({"started_at": _TIME, "warehouse": _or_null(_TEXT)})
    note = _object({"at": _TIME, "actor": _TEXT, "text": _TEXT})
    return _object(
        {
            "order_id": _UUID,
            "version": {"type": "integer", "minimum": 1},
            "status": STATUS,
            "updated_at": _TIME,
            "customer_id": _TEXT,
            "currency": _TEXT,
            "reference": _or_null(_TEXT),
            "placed_at": _TIME,
            "confirmed_at": _or_null(_TIME),
            "completed_at": _or_null(_TIME),
            "cancelled_at": _or_null(_TIME),
            "cancellation_reason": _or_null(_TEXT),
            "held": _or_null(held),
            "fulfilment": _or_null(fulfilment),
            "coupon": _or_null(part("Coupon")),
            "lines": _list_of(part("Line")),
            "totals": _sums(Totals),
            "balance": _sums(Balance),
            "units": part("Units"),
            "payments": _list_of(part("Payment")),
            "shipments": _list_of(part("Shipment")),
            "returns": _list_of(part("Return")),
            "refunds": _list_of(part("Refund")),
            "notes": _list_of(note),
            "shipping_address": part("Address"),
            "billing_address": _or_null(part("Address")),
        },
        "Everything about one order",
    )
