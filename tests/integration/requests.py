"""Requests as API Gateway hands them to a function, for functions called in this process."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from infra.contracts.declarations import sample
from infra.contracts.functions import read_template

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLES = {
    function.stem: route.variables
    for function in read_template().functions.values()
    for route in function.routes
}
"""The names in the path of each function's route."""
OPERATOR = {"sub": "operator", "scope": "orders:read orders:write orders:sell orders:operate"}


def customer(customer_id: str) -> dict[str, str]:
    return {
        "sub": f"customer:{customer_id}",
        "customer_id": customer_id,
        "scope": "orders:read orders:write",
    }


def checkout(customer_id: str) -> dict[str, str]:
    """Return the claims of the shop's checkout, on behalf of one customer."""
    return customer(customer_id) | {"scope": "orders:read orders:write orders:sell"}


def request(
    body: object = None,
    *,
    path: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    claims: Mapping[str, str] = OPERATOR,
    **headers: str,
) -> dict[str, Any]:
    """Return the event; header names are written with underscores."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None:
        sent.setdefault("content-type", "application/json")
    return {
        "headers": sent,
        "pathParameters": dict(path or {}),
        "queryStringParameters": dict(query or {}),
        "body": body if body is None or isinstance(body, str) else json.dumps(body),
        "isBase64Encoded": False,
        "requestContext": {
            "requestId": "the-request",
            "authorizer": {"jwt": {"claims": dict(claims), "scopes": None}},
        },
    }


def query_request(stem: str, **fields: str) -> dict[str, Any]:
    """Return the request of a query's sample, with these fields where the query has them."""
    sent = {name: fields.get(name, str(value)) for name, value in sample(stem).items()}
    path = {name: sent.pop(name) for name in VARIABLES[stem]}
    return request(path=path, query=sent)


def body_of(response: Mapping[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(response["body"])
    return body
