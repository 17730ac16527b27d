"""An HTTP API for tests, in front of functions that answer as told."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

from infra.local.gateway.http_api import HttpApi, Invoke
from infra.local.gateway.issuer import Key, load_or_create_key
from infra.local.gateway.page import Page
from infra.local.lambdas.invocation import Invocation
from infra.local.logs import Logs
from infra.local.template import AccessLog, Cors, Function, HttpRoute, Template

ISSUER = "http://127.0.0.1:3000/issuer"
AUDIENCE = "ordering"


@dataclass
class Functions:
    """Stands in for Lambda: remembers events, answers as told."""

    answer: Callable[[dict[str, Any]], object] = lambda _event: {"statusCode": 200, "body": "ok"}
    events: list[dict[str, Any]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    async def __call__(
        self, name: str, payload: bytes, *, trace_id: str | None = None
    ) -> Invocation:
        event = json.loads(payload)
        assert trace_id == event["headers"]["x-amzn-trace-id"]
        self.events.append(event)
        self.names.append(name)
        answer = self.answer(event)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Invocation):
            return answer
        if answer is asyncio.sleep:
            await asyncio.sleep(30)
        return Invocation(200, json.dumps(answer).encode(), None, "id")


def a_route(
    method: str,
    path: str,
    *scopes: str,
    authorized: bool = False,
    timeout_seconds: float = 30.0,
) -> HttpRoute:
    return HttpRoute(method, path, scopes, authorized or bool(scopes), timeout_seconds)


def a_template(
    routes: Mapping[str, HttpRoute],
    cors: Cors | None = None,
    access_log: AccessLog | None = None,
) -> Template:
    functions = {
        name: Function(name, "x.handler", Path(), (), 3, 128, None, {}, (route,), (), ())
        for name, route in routes.items()
    }
    return Template(functions, (), {}, {}, ISSUER, (AUDIENCE,), cors, (), access_log=access_log)


@contextlib.asynccontextmanager
async def an_api(
    directory: Path,
    template: Template,
    functions: Invoke,
    pages: Mapping[str, Page] | None = None,
) -> AsyncIterator[tuple[aiohttp.ClientSession, Key]]:
    key = load_or_create_key(directory)
    with Logs(directory / "logs", console=None) as logs:
        api = HttpApi(template, functions, key=key, logs=logs, pages=pages)
        await api.start("127.0.0.1", 0)
        try:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{api.port}") as client:
                yield client, key
        finally:
            await api.close()


def run(
    directory: Path,
    scenario: Callable[[aiohttp.ClientSession, Key], Any],
    functions: Functions,
    *,
    routes: Mapping[str, HttpRoute] | None = None,
    cors: Cors | None = None,
    access_log: AccessLog | None = None,
    pages: Mapping[str, Page] | None = None,
) -> None:
    """Run a scenario against an API whose one route is POST /orders/{order_id}."""
    routes = routes or {"F": a_route("POST", "/orders/{order_id}")}
    template = a_template(routes, cors, access_log)

    async def main() -> None:
        async with an_api(directory, template, functions, pages) as (client, key):
            await scenario(client, key)

    uvloop.run(main())


async def problem_of(response: aiohttp.ClientResponse) -> tuple[int, str, str]:
    assert response.content_type == "application/problem+json"
    problem = json.loads(await response.read())
    assert problem["status"] == response.status
    assert problem["correlation_id"] == response.headers["x-correlation-id"]
    return response.status, problem["code"], problem["message"]
