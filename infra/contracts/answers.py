"""What the functions answer, as schemas: receipts of commands, documents of queries, problems."""

from __future__ import annotations

from typing import Any, Final, get_args

from pydantic import TypeAdapter

from infra.contracts.functions import answer_type, files_of
from infra.contracts.schemas import REFERENCE, Schema, name_enums, plain, without_defaults
from ordering.domain import parts, values
from ordering.domain.events import EVENT_TYPES
from ordering.domain.parts import (
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
from ordering.domain.values import Address, Currency, Stage, Status, Sum, Value
from ordering.read_side import answers as read_side_answers


class MoneyAnswer(Value):
    """An amount with its currency; computed ones may have more digits than a client may send."""

    amount: Sum
    currency: Currency


def _reference(name: str) -> Schema:
    return {"$ref": REFERENCE + name}


_MONEY: Final = _reference("Money")
_TEXT: Final = {"type": "string"}
_TIME: Final = {"type": "string", "format": "date-time"}
_COUNT: Final = {"type": "integer", "minimum": 0}
_UUID: Final = {"type": "string", "format": "uuid"}
_STATUS: Final = _reference("OrderStatus")
_ENUMS: Final[dict[str, Schema]] = {
    "OrderStatus": {
        "description": "Where an order stands",
        "type": "string",
        "enum": list(get_args(Status)),
    },
    "WorkQueueStage": {
        "description": "What an order waits for",
        "type": "string",
        "enum": list(get_args(Stage)),
    },
    "EventType": {
        "description": "What happened to an order",
        "type": "string",
        "enum": list(EVENT_TYPES),
    },
}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _object(properties: Schema, description: str = "") -> Schema:
    described = {"description": description} if description else {}
    return {**described, "type": "object", "properties": properties, "required": list(properties)}


def _list_of(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


RECEIPT: Final = _object(
    {
        "order_id": _UUID,
        "version": {"type": "integer", "minimum": 1},
        "status": _STATUS,
        "events": _list_of(_reference("EventType")),
    },
    "What a command did: none, where the order was as the command wants it already.",
)

_PROBLEM_MEMBERS: Final = ("type", "title", "status", "detail", "code", "correlation_id")

PROBLEM: Final[Schema] = {
    "type": "object",
    "description": (
        "RFC 9457 problem details, with a stable `code`. Where API Gateway answers by itself,"
        " without a function, there may be nothing but `message`."
    ),
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": {**_TEXT, "description": "what is wrong and what to do, for people"},
        "code": {**_TEXT, "pattern": "^[a-z0-9-]+$", "description": "stable, for programs"},
        "correlation_id": {**_TEXT, "description": "what our logs know the request by"},
        "errors": {
            **_list_of(_reference("InvalidField")),
            "description": "every field that is not valid, with 422",
        },
        "current_version": {"type": "integer", "description": "of the order, with 412"},
        "message": {**_TEXT, "description": "API Gateway's own words"},
    },
    # None of them is plainly required: a generated client that insists on `code` would fail on
    # API Gateway's answer to an expired token. A problem of a function has them all.
    "dependentRequired": {
        name: [other for other in _PROBLEM_MEMBERS if other != name] for name in _PROBLEM_MEMBERS
    },
    "minProperties": 1,
}
INVALID_FIELD: Final[Schema] = _object(
    {
        "pointer": {**_TEXT, "description": "JSON pointer (RFC 6901) to the field"},
        "detail": _TEXT,
    },
    "A field that is not valid, and why",
)


def _definitions(model: Any, definitions: dict[str, Schema]) -> Schema:  # noqa: ANN401 - any type
    """Return a model's schema; what it refers to goes to ``definitions``."""
    template = REFERENCE + "{model}"
    adapter: TypeAdapter[Any] = TypeAdapter(model)
    schema = adapter.json_schema(mode="serialization", ref_template=template)
    for name, definition in schema.pop("$defs", {}).items():
        definitions[name] = _nested_schema(definition)
    return _nested_schema(schema)


def _nested_schema(schema: Schema) -> Schema:
    written: Schema = without_defaults(plain(schema, tolerant=True, nulls=True), mention=False)
    return written


def _part(model: Any, definitions: dict[str, Schema]) -> Schema:  # noqa: ANN401 - a model of a part
    """Return the schema of a part as documents show it: every field, amounts as money."""
    schema = _definitions(model, definitions)
    for name in schema["properties"].keys() & values.amount_fields(model):
        about = {k: v for k, v in schema["properties"][name].items() if k == "description"}
        schema["properties"][name] = {**_MONEY, **about}
    schema["required"] = list(schema["properties"])
    name_enums(schema, definitions, model.__name__)
    return schema


def _sums(model: Any) -> Schema:  # noqa: ANN401 - a model whose fields are all amounts
    fields = {
        name: {"description": field.description} if field.description else {}
        for name, field in model.model_fields.items()
    }
    return _object({name: {**_MONEY, **about} for name, about in fields.items()}, model.__doc__)


def documents() -> dict[str, Schema]:
    """Return the schemas of all answers, by the names that operations refer to them by."""
    found: dict[str, Schema] = {
        **_ENUMS,
        "Receipt": RECEIPT,
        "Problem": PROBLEM,
        "InvalidField": INVALID_FIELD,
    }
    for model in (Line, Payment, Shipment, Return, Refund):
        found[model.__name__] = _part(model, found)
    found["Coupon"] = _part(Coupon, found)
    # Not what the client may send, which a coupon refers to by the same name.
    found["Money"] = _definitions(MoneyAnswer, {})
    found["Address"] = _part(Address, found)
    found["Units"] = _part(Units, found)
    found["Totals"] = _sums(Totals)
    found["Balance"] = _sums(Balance)
    for file in files_of("queries"):
        _add(answer_type(file), found)
    return found


def _add(document: Any, found: dict[str, Schema]) -> None:  # noqa: ANN401 - a TypedDict
    """Add the schema of a document and of what is in it, unless there is one of the name."""
    adapter: TypeAdapter[Any] = TypeAdapter(document)
    # A query imports for the type checker only what it does not use when it runs.
    adapter.rebuild(force=True, _types_namespace=_NAMES)
    schema = adapter.json_schema(mode="serialization", ref_template=REFERENCE + "{model}")
    for name, definition in {**schema.pop("$defs", {}), document.__name__: schema}.items():
        if name not in found:
            part = _nested_schema(definition)
            name_enums(part, found, name)
            found[name] = part


_NAMES: Final = {**vars(parts), **vars(values), **vars(read_side_answers)}
"""What the types of answers may refer to."""
