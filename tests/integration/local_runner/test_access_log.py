"""The access log: a line per request, with the fields that template.yaml asks for."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import aiohttp

from infra.contracts.functions import read_template
from infra.local.gateway.issuer import Key
from infra.local.gateway.page import Page
from infra.local.lambdas.invocation import Invocation, Throttled
from infra.local.template import AccessLog, Cors
from infra.local.template.model import ACCESS_LOG_VARIABLES, CLAIM_VARIABLE
from tests.integration.local_runner.http_fixtures import AUDIENCE, ISSUER, Functions, a_route, run
from tests.integration.local_runner.test_http_api_access import signed

ROUTES = {
    "F": a_route("POST", "/orders", "orders:sell"),
    "Slow": a_route("GET", "/slow", authorized=True, timeout_seconds=0.05),
}
PERSONAL = ("127.0.0.1", "secret-agent", "Maria", "curl/")


def lines_of(directory: Path) -> list[dict[str, str]]:
    path = directory / "logs" / "access.log"
    written = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in written]


def answer(event: dict[str, Any]) -> object:
    match event.get("body"):
        case "fail":
            error = b'{"errorType": "ValueError", "errorMessage": "no"}'
            return Invocation(200, error, "Unhandled", "id")
        case "throttle":
            return Throttled("F runs 1 times, as often as it may")
        case "nonsense":
            return {"statusCode": 99}
    if event["rawPath"] == "/slow":
        return asyncio.sleep
    return {"statusCode": 201, "body": "12345"}


def test_each_answer_has_its_line(tmp_path: Path) -> None:
    template = read_template()

    async def scenario(client: aiohttp.ClientSession, key: Key) -> None:
        good = f"Bearer {signed(key, sub='checkout', scope='orders:sell')}"
        poor = f"Bearer {signed(key, sub='reader', scope='orders:read')}"
        late = f"Bearer {signed(key, exp=int(time.time()) - 1)}"
        for authorization, method, path, body in (
            (good, "POST", "/orders?q=Maria", "{}"),
            ("", "POST", "/orders", "{}"),
            (late, "POST", "/orders", "{}"),
            (poor, "POST", "/orders", "{}"),
            (good, "GET", "/nothing", ""),
            (good, "POST", "/orders", "fail"),
            (good, "POST", "/orders", "throttle"),
            (good, "POST", "/orders", "nonsense"),
            (good, "GET", "/slow", ""),
        ):
            headers = {"Authorization": authorization, "User-Agent": "secret-agent"}
            headers["Content-Type"] = "text/plain"
            async with client.request(method, path, data=body, headers=headers) as response:
                ids.append(response.headers["apigw-requestid"])
                lengths.append(str(len(await response.read())))

    ids: list[str] = []
    lengths: list[str] = []
    run(tmp_path, scenario, Functions(answer), routes=ROUTES, access_log=template.access_log)
    lines = lines_of(tmp_path)
    assert [line["requestId"] for line in lines] == ids
    assert [line["responseLength"] for line in lines] == lengths
    post, none = "POST /orders", "-"
    names = ["routeKey", "status", "error", "authorizerError", "integrationError", "sub"]
    lacks = "the token does not have a required scope"
    too_late = "no answer within the integration's 0.05 s"
    assert [tuple(line[name] for name in names) for line in lines] == [
        (post, "201", none, none, none, "checkout"),
        (post, "401", "Unauthorized", "there is no token", none, none),
        (post, "401", "Unauthorized", "the token has expired", none, none),
        (post, "403", "Forbidden", lacks, none, "reader"),
        (none, "404", "Not Found", none, none, none),
        (post, "500", "Internal Server Error", none, "ValueError: no", "checkout"),
        (post, "429", "Too Many Requests", none, "F runs 1 times, as often as it may", "checkout"),
        (post, "500", "Internal Server Error", none, "malformed answer: statusCode 99", "checkout"),
        ("GET /slow", "503", "Service Unavailable", none, too_late, "checkout"),
    ]
    called = [line["integrationLatency"] != none for line in lines]
    assert called == [True, *[False] * 4, *[True] * 4]
    assert all(line["responseLatency"].isdigit() for line in lines)
    text = (tmp_path / "logs" / "access.log").read_text()
    assert not [personal for personal in PERSONAL if personal in text]
    shown = (tmp_path / "logs" / "stack.log").read_text()
    assert " access INFO routeKey=POST /orders status=201 responseLatency=" in shown


def test_what_is_not_the_api_s_has_no_line(tmp_path: Path) -> None:
    async def scenario(client: aiohttp.ClientSession, _key: Key) -> None:
        preflight = {"Origin": "https://desk.example", "Access-Control-Request-Method": "POST"}
        async with client.options("/orders", headers=preflight) as response:
            assert response.status == 204
        for path in ("/docs", "/issuer/.well-known/jwks.json"):
            async with client.get(path) as response:
                assert response.status == 200

    run(
        tmp_path,
        scenario,
        Functions(),
        cors=Cors(allow_origins=("*",)),
        access_log=AccessLog({"status": "status"}),
        pages={"/docs": Page(b"", "text/html")},
    )
    assert lines_of(tmp_path) == []


def test_without_access_log_settings_there_is_none(tmp_path: Path) -> None:
    async def scenario(client: aiohttp.ClientSession, _key: Key) -> None:
        async with client.get("/nothing") as response:
            assert response.status == 404

    run(tmp_path, scenario, Functions())
    assert lines_of(tmp_path) == []


def test_every_variable_that_a_template_may_use_is_written(tmp_path: Path) -> None:
    variables = [*ACCESS_LOG_VARIABLES, f"{CLAIM_VARIABLE}iss", f"{CLAIM_VARIABLE}nothing"]

    async def scenario(client: aiohttp.ClientSession, key: Key) -> None:
        token = signed(key, scope="orders:sell", aud=AUDIENCE)
        async with client.post("/orders", headers={"Authorization": token}) as response:
            assert response.status == 200

    fields = AccessLog({name: name for name in variables})
    run(tmp_path, scenario, Functions(), routes=ROUTES, access_log=fields)
    [line] = lines_of(tmp_path)
    assert {*line} == {*variables}
    assert (line[f"{CLAIM_VARIABLE}iss"], line[f"{CLAIM_VARIABLE}nothing"]) == (ISSUER, "-")
