"""The HTTP API as an OpenAPI 3.1 document, from the models, the refusals and the routes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from infra.contracts import answers, examples
from infra.contracts.functions import ROOT, HttpFile, files_of, read_template
from infra.contracts.http_parts import (
    COMMAND_HEADERS,
    HEADERS,
    QUERY_HEADERS,
    REQUEST_HEADERS,
    problems_of,
)
from infra.contracts.schemas import Schema, plain
from ordering.http import MAX_BODY_BYTES, TITLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.template.model import HttpRoute

PATH: Final = "docs/api/openapi.json"
_ANSWERS: Final = {
    "get_order": "Order",
    "list_customer_orders": "OrderList",
    "get_read_models": "ReadModels",
}
_SINGLE_RESOURCES: Final = {"get_order"}
_REFERENCE: Final = "#/components/schemas/"


def documents() -> Mapping[str, str]:
    """Give the OpenAPI document."""
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
                "description": file.meaning[0].upper() + file.meaning[1:],
                "tags": [kind],
                # Alternatives: one object with several scopes would ask for all of them.
                "security": [{"jwt": [scope]} for scope in route.scopes],
                **operation_of(file, route, schemas),
            }
            paths.setdefault(route.path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Ordering",
            "version": "1.0.0",
            "summary": "Orders: commands that change them, queries that read them",
            "description": _DESCRIPTION,
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": "commands", "description": "Change an order, on the write database"},
            {"name": "queries", "description": "Read, from the read database"},
        ],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "examples": {name: {"value": problem} for name, problem in examples.problems().items()},
            "headers": HEADERS,
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
    fields = _fields(file.handler.command, schemas)
    success = {
        "description": "What was done",
        "headers": _headers(*COMMAND_HEADERS, *(["Location"] if opens else [])),
        "content": _example_of(file, "Receipt", examples.receipt(file.stem)),
    }
    names = ["Idempotency-Key", *([] if opens else ["If-Match"]), "traceparent", "X-Correlation-Id"]
    operation: dict[str, Any] = {
        "parameters": [*_path_parameters(route, fields), *_parameters(names)],
    }
    body = _body(file, route, fields)
    if body is not None:
        operation["requestBody"] = body
    operation["responses"] = {
        "201" if opens else "200": success,
        **_problems("command", file),
    }
    return operation


def _query(file: HttpFile, route: HttpRoute, schemas: dict[str, Schema]) -> dict[str, Any]:
    fields = _fields(file.handler.question, schemas)
    in_path = _variables(route)
    query = [
        {
            "name": name,
            "in": "query",
            "required": name in fields.get("required", []),
            "schema": schema,
        }
        for name, schema in fields["properties"].items()
        if name not in in_path
    ]
    single = file.stem in _SINGLE_RESOURCES
    names = ["Consistency-Token", "Prefer", "Cache-Control", "traceparent", "X-Correlation-Id"]
    success = {
        "description": "The answer, and how fresh it is",
        "headers": _headers(*QUERY_HEADERS, *(["ETag"] if single else [])),
        "content": _example_of(file, _ANSWERS[file.stem], examples.answer(file.stem)),
    }
    unchanged = {"description": "It is what the client has", "headers": _headers("ETag")}
    return {
        "parameters": [
            *_path_parameters(route, fields),
            *query,
            *_parameters([*names, *(["If-None-Match"] if single else [])]),
        ],
        "responses": {
            "200": success,
            **({"304": unchanged} if single else {}),
            **_problems("query", file),
        },
    }


def _example_of(file: HttpFile, schema: str, example: object) -> dict[str, Any]:
    return {
        "application/json": {
            "schema": {"$ref": _REFERENCE + schema},
            "examples": {file.stem: {"value": example}},
        }
    }


def _fields(model: Any, schemas: dict[str, Schema]) -> Schema:  # noqa: ANN401 - any command's model
    schema = model.model_json_schema(ref_template=_REFERENCE + "{model}Input")
    for name, definition in schema.pop("$defs", {}).items():
        schemas[f"{name}Input"] = plain(definition, tolerant=False)
    fields: Schema = plain(schema, tolerant=False)
    return fields


def _variables(route: HttpRoute) -> list[str]:
    return re.findall(r"\{(\w+)\}", route.path)


def _path_parameters(route: HttpRoute, fields: Schema) -> list[dict[str, Any]]:
    order_id = {"type": "string", "format": "uuid"}
    found = {"order_id": order_id, **fields["properties"]}
    if "order_id" in fields["properties"]:
        found["order_id"] = order_id
    return [
        {"name": name, "in": "path", "required": True, "schema": found[name]}
        for name in _variables(route)
    ]


def _body(file: HttpFile, route: HttpRoute, fields: Schema) -> dict[str, Any] | None:
    in_path = _variables(route)
    properties = {n: schema for n, schema in fields["properties"].items() if n not in in_path}
    if not properties:
        return None
    required = [name for name in fields.get("required", []) if name not in in_path]
    sample = json.loads((ROOT / "events" / f"{file.stem}.json").read_text())
    schema = {key: value for key, value in fields.items() if key != "required"}
    schema["properties"] = properties
    if required:
        schema["required"] = required
    return {
        "required": bool(required),
        "content": {
            "application/json": {
                "schema": schema,
                "examples": {file.stem: {"value": json.loads(sample["body"])}},
            }
        },
    }


def _parameters(names: list[str]) -> list[dict[str, str]]:
    return [{"$ref": f"#/components/parameters/{name}"} for name in names]


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _problems(kind: str, file: HttpFile) -> dict[str, Any]:
    codes = problems_of(kind, file)
    return {str(status): _problem(status, codes[status], file.stem) for status in sorted(codes)}


def _problem(status: int, codes: Mapping[str, str], stem: str) -> dict[str, Any]:
    said = [f"- `{code}`: {detail}" for code, detail in sorted(codes.items()) if detail]
    schema = {
        "allOf": [
            {"$ref": _REFERENCE + "Problem"},
            {"properties": {"status": {"const": status}, "code": {"enum": sorted(codes)}}},
        ]
    }
    content: dict[str, Any] = {"application/problem+json": {"schema": schema}}
    named = {code: examples.problem_named(code, stem) for code in sorted(codes)}
    if any(named.values()):
        content["application/problem+json"]["examples"] = {
            code: {"$ref": f"#/components/examples/{name}"} for code, name in named.items() if name
        }
    if status in _OF_THE_GATEWAY:
        gateway = {"$ref": _REFERENCE + "GatewayError"}
        content["application/json"] = {"schema": gateway}
    retry = {"headers": _headers("Retry-After")} if status in {429, 503} else {}
    description = "\n".join([TITLES[status], *([""] if said else []), *said])
    return {"description": description, **retry, "content": content}


_OF_THE_GATEWAY: Final = {401, 403, 404, 413, 429, 500, 503}
