"""The HTTP API as an OpenAPI 3.1 document, from the models, the refusals and the routes."""

from __future__ import annotations

import inspect
import json
import re
from typing import TYPE_CHECKING, Any, Final

from infra.contracts import answers, examples
from infra.contracts.declarations import sample
from infra.contracts.functions import HttpFile, answer_type, files_of, read_template
from infra.contracts.http_parts import (
    COMMAND_HEADERS,
    HEADERS,
    QUERY_HEADERS,
    REQUEST_HEADERS,
    headers_of,
)
from infra.contracts.problems import gateway_example, problems
from infra.contracts.schemas import (
    REFERENCE,
    Schema,
    camel,
    name_enum,
    name_enums,
    plain,
    without_defaults,
)
from infra.local.gateway.problems import MESSAGES
from ordering.runtime.http import MAX_BODY_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.template.model import HttpRoute

PATH: Final = "docs/api/openapi.json"
_MAX_LENGTHS: Final = {"uuid": 36, "date-time": 35}
_LONGEST_CURSOR: Final = 255


def documents() -> Mapping[str, str]:
    """Return the OpenAPI document."""
    return {PATH: json.dumps(document(), indent=2, ensure_ascii=False) + "\n"}


def document() -> dict[str, Any]:
    """Make the document of all commands and queries that have a route."""
    routes = {
        function.stem: route
        for function in read_template().functions.values()
        for route in function.routes
    }
    schemas = answers.documents()
    paths: dict[str, dict[str, Any]] = {}
    for kind, operation_of in (("commands", _command), ("queries", _query)):
        for file in files_of(kind):
            route = routes[file.stem]
            operation = {
                "operationId": file.stem,
                "summary": file.stem.replace("_", " ").capitalize(),
                "description": _description(file),
                "tags": [kind],
                # Alternatives: one object with several scopes would ask for all of them.
                "security": [{"jwt": [scope]} for scope in route.scopes],
                **operation_of(file, route, schemas),
            }
            paths.setdefault(route.path, {})[route.method.lower()] = operation
    used = json.dumps(paths)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Ordering",
            "version": "1.0.0",
            "summary": "Orders: commands that change them, queries that read them",
            "description": _DESCRIPTION,
            "contact": {"name": "The maintainers of Ordering"},
            "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": "commands", "description": "Change an order, on the write database"},
            {"name": "queries", "description": "Read, from the read database"},
        ],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "examples": {
                **{name: {"value": problem} for name, problem in examples.problems().items()},
                **{
                    gateway_example(status): {"value": {"message": message}}
                    for status, message in MESSAGES.items()
                },
            },
            "headers": {
                name: header
                for name, header in HEADERS.items()
                if f'"#/components/headers/{name}"' in used
            },
            "parameters": REQUEST_HEADERS,
            "securitySchemes": {
                "jwt": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": (
                        "Each operation lists the scopes of which any one suffices: orders:read "
                        "for queries, orders:write for what customers do to their own orders, "
                        "orders:sell for the shop's checkout, which knows prices and payments, "
                        "orders:operate for the warehouse and the service desk. A deployment may "
                        "have a prefix before these names. A token with a customer_id claim sees "
                        "and changes that customer's orders only, unless it has orders:operate; "
                        "one without the claim sees orders with orders:sell or orders:operate."
                    ),
                }
            },
        },
    }


_DESCRIPTION: Final = f"""\
Commands answer with the order's new version (`ETag`) and a `Consistency-Token`. Queries take that
token and, with `Prefer: wait=<seconds>`, wait until they have seen it; every answer of a query says
how fresh it is. Errors are RFC 9457 problems with a stable `code`. Money is a decimal string with
its currency; times are RFC 3339 in UTC. Bodies have at most {MAX_BODY_BYTES} bytes. Unknown fields
are refused in requests; expect new ones in answers."""


def _command(file: HttpFile, route: HttpRoute, schemas: dict[str, Schema]) -> dict[str, Any]:
    opens = file.handler.opens_an_order
    fields = _fields(file.handler.command, schemas, nulls=True)
    success = {
        "description": "What was done",
        "headers": headers_of([*COMMAND_HEADERS, *(["Location"] if opens else [])]),
        "content": _example_of(file, "Receipt", examples.receipt(file.stem)),
    }
    names = ["Idempotency-Key", *([] if opens else ["If-Match"]), "traceparent", "X-Correlation-Id"]
    operation: dict[str, Any] = {
        "parameters": [*_path_parameters(route, fields), *_parameters(names)],
    }
    body = _body(file, route, fields, schemas)
    if body is not None:
        operation["requestBody"] = body
    operation["responses"] = {
        "201" if opens else "200": success,
        **problems(file),
    }
    return operation


def _description(file: HttpFile) -> str:
    """Return what the operation does, and what its question says of its parameters."""
    meaning = file.meaning[0].upper() + file.meaning[1:]
    if file.kind != "queries":
        return meaning
    _, *more = (inspect.getdoc(file.handler.question) or "").split("\n\n")
    return "\n\n".join([meaning, *(" ".join(text.split()) for text in more)]).replace("``", "`")


def _query(file: HttpFile, route: HttpRoute, schemas: dict[str, Schema]) -> dict[str, Any]:
    fields = _fields(file.handler.question, schemas, nulls=False)
    owner = file.handler.question.__name__
    in_path = route.variables
    query = [
        {
            "name": name,
            "in": "query",
            "required": name in fields.get("required", []),
            # A reference to an enum cannot say its default.
            **(
                {"description": f"`{schema['default']}` if it is not sent"}
                if {"enum", "default"} <= schema.keys()
                else {}
            ),
            "schema": name_enum(_bounded(name, schema), schemas, owner + camel(name)),
        }
        for name, schema in fields["properties"].items()
        if name not in in_path
    ]
    single = file.handler.is_single_resource
    names = ["Consistency-Token", "Prefer", "Cache-Control", "traceparent", "X-Correlation-Id"]
    success = {
        "description": "The answer, and how fresh it is",
        "headers": headers_of([*QUERY_HEADERS, *(["ETag"] if single else [])]),
        "content": _example_of(file, answer_type(file).__name__, examples.answer(file)),
    }
    unchanged = {
        "description": "It is what the client has",
        "headers": headers_of([*QUERY_HEADERS, "ETag"]),
    }
    return {
        "parameters": [
            *_path_parameters(route, fields),
            *query,
            *_parameters([*names, *(["If-None-Match"] if single else [])]),
        ],
        "responses": {
            "200": success,
            **({"304": unchanged} if single else {}),
            **problems(file),
        },
    }


def _example_of(file: HttpFile, schema: str, example: object) -> dict[str, Any]:
    return {
        "application/json": {
            "schema": {"$ref": REFERENCE + schema},
            "examples": {file.stem: {"value": example}},
        }
    }


def _fields(model: Any, schemas: dict[str, Schema], *, nulls: bool) -> Schema:  # noqa: ANN401 - any command's model
    schema = model.model_json_schema(ref_template=REFERENCE + "{model}")
    # AddressInput, not SentAddress: clients see names that generators of clients use as well.
    for name in schema.get("$defs", {}):
        old, new = f'"{REFERENCE}{name}"', f'"{REFERENCE}{_input_name(name)}"'
        schema = json.loads(json.dumps(schema).replace(old, new))
    for name, definition in schema.pop("$defs", {}).items():
        part = plain(definition, tolerant=False, nulls=nulls)
        schemas[_input_name(name)] = without_defaults(part, mention=True)
    fields: Schema = plain(schema, tolerant=False, nulls=nulls)
    return fields


def _input_name(model: str) -> str:
    return f"{model.removeprefix('Sent')}Input"


def _path_parameters(route: HttpRoute, fields: Schema) -> list[dict[str, Any]]:
    found = {**fields["properties"], "order_id": {"type": "string", "format": "uuid"}}
    return [
        {"name": name, "in": "path", "required": True, "schema": _bounded(name, found[name])}
        for name in route.variables
    ]


def _bounded(name: str, schema: Schema) -> Schema:
    """Return a text parameter's schema with the length that a valid value has at most."""
    if schema.get("type") != "string" or {"enum", "maxLength"} & schema.keys():
        return schema
    if name == "cursor":
        return {**schema, "maxLength": _LONGEST_CURSOR}
    longest = _MAX_LENGTHS.get(schema.get("format", ""))
    repeated = re.search(r"\{0,(\d+)\}\$$", schema.get("pattern", ""))
    if longest is None and repeated is not None:
        longest = 1 + int(repeated[1])  # a first character of another class
    if longest is None:
        raise ValueError(f"the parameter {name} has no maxLength")
    return {**schema, "maxLength": longest}


def _body(
    file: HttpFile, route: HttpRoute, fields: Schema, schemas: dict[str, Schema]
) -> dict[str, Any] | None:
    in_path = route.variables
    properties = {n: schema for n, schema in fields["properties"].items() if n not in in_path}
    if not properties:
        return None
    required = [name for name in fields.get("required", []) if name not in in_path]
    schema = {key: value for key, value in fields.items() if key != "required"}
    schema["properties"] = properties
    if required:
        schema["required"] = required
    name = file.handler.command.__name__
    name_enums(schema, schemas, name)
    one_of = schema.pop("x-exactly-one-of", [])
    schema = without_defaults(schema, mention=True)
    schemas[name] = _either(name, schema, one_of, schemas) if one_of else schema
    return {
        "required": bool(required),
        "content": {
            "application/json": {
                "schema": {"$ref": REFERENCE + name},
                "examples": {file.stem: {"value": _sent(file, in_path)}},
            }
        },
    }


def _sent(file: HttpFile, in_path: list[str]) -> dict[str, Any]:
    """Return the body of the command's sample."""
    return {name: value for name, value in sample(file.stem).items() if name not in in_path}


def _either(name: str, schema: Schema, one_of: list[str], schemas: dict[str, Schema]) -> Schema:
    """Return the choice between schemas of which each has one of the fields, and no other of them.

    Generators know no other way to say that: they pass over conditions beside the properties.
    """
    choices = []
    for chosen in one_of:
        value, _ = schema["properties"][chosen]["anyOf"]  # it, or null
        fields = {**{field: {"const": None} for field in one_of}, chosen: value}
        choices.append(name + camel(chosen))
        schemas[choices[-1]] = {
            **schema,
            "properties": schema["properties"] | fields,
            "required": [*schema.get("required", []), chosen],
        }
    references = [{"$ref": REFERENCE + choice} for choice in choices]
    return {"description": schema["description"], "oneOf": references}


def _parameters(names: list[str]) -> list[dict[str, str]]:
    return [{"$ref": f"#/components/parameters/{name}"} for name in names]
