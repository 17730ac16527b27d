"""The problems of the HTTP API as responses of its OpenAPI document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.contracts import examples
from infra.contracts.http_parts import headers_of_problem, problems_of
from infra.contracts.schemas import REFERENCE
from infra.local.gateway.problems import MESSAGES
from ordering.runtime.http import TITLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.contracts.functions import HttpFile


def problems(file: HttpFile) -> dict[str, Any]:
    """Return the problems that a command or query answers, as OpenAPI responses by status."""
    codes = problems_of(file)
    return {str(status): _problem(file, status, codes[status]) for status in sorted(codes)}


def _problem(file: HttpFile, status: int, codes: Mapping[str, str]) -> dict[str, Any]:
    lines = [
        f"- `{code}`: {detail}" if detail else f"- `{code}`"
        for code, detail in sorted(codes.items())
    ]
    schema = {"$ref": REFERENCE + "Problem"}
    content: dict[str, Any] = {"application/problem+json": {"schema": schema}}
    named = {code: examples.problem_named(code, file.stem) for code in sorted(codes)}
    if any(named.values()):
        content["application/problem+json"]["examples"] = {
            code: _example(name) for code, name in named.items() if name
        }
    if status in MESSAGES:
        name = gateway_example(status)
        content["application/json"] = {"schema": schema, "examples": {name: _example(name)}}
    return {
        "description": "\n".join([TITLES[status], "", *lines]),
        "headers": headers_of_problem(file, status),
        "content": content,
        "x-problem-codes": sorted(codes),
    }


def _example(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/examples/{name}"}


def gateway_example(status: int) -> str:
    """Return the name of the example of what API Gateway answers by itself."""
    return f"api-gateway-{status}"
