"""The local HTTP API does what API Gateway's does around a function."""

import asyncio
import base64
import io
import time
from pathlib import Path

import aiohttp
import pytest
import uvloop

from infra.local.gateway.http_api import HttpApi
from infra.local.gateway.issuer import Key, load_or_create_key
from infra.local.lambdas.invocation import Invocation, Throttled
from infra.local.logs import Logs
from infra.local.template import Template
from tests.integration.local_runner.http_fixtures import Functions, a_route, problem_of, run
from tests.integration.local_runner.lambda_fixtures import a_function, a_service


def test_a_request_is_an_event_of_payload_format_2(tmp_path: Path) -> None:
    functions = Functions()

    async def scenario(client: aiohttp.ClientSession, _key: Key) -> None:
        headers = [
            ("X-Tag", "one"),
            ("X-Tag", "two"),
            ("Cookie", "a=1; b=2"),
            ("Content-Type", "application/json"),
            ("User-Agent", "tests"),
        ]
        url = "/orders/a%20b?tag=x&tag=y&empty=&q=%C3%A9"
        async with client.post(url, data=b'{"n": "\xc3\xa9"}', headers=headers) as response:
            request_id = response.headers["apigw-requestid"]
        [event] = functions.events
        assert (event["version"], event["routeKey"]) == ("2.0", "POST /orders/{order_id}")
        assert event["rawPath"] == "/orders/a b"
        assert event["rawQueryString"] == "tag=x&tag=y&empty=&q=%C3%A9"
        assert event["queryStringParameters"] == {"tag": "x,y", "empty": "", "q": "é"}
        assert event["pathParameters"] == {"order_id": "a b"}
        assert event["headers"]["x-tag"] == "one,two"
        assert event["cookies"] == ["a=1", "b=2"]
        assert (event["body"], event["isBase64Encoded"]) == ('{"n": "é"}', False)
        context = event["requestContext"]
        assert context["http"] == {
            "method": "POST",
            "path": "/orders/a b",
            "protocol": "HTTP/1.1",
            "sourceIp": "127.0.0.1",
            "userAgent": "tests",
        }
        assert (context["stage"], context["requestId"]) == ("$default", request_id)
        assert abs(context["timeEpoch"] / 1000 - time.time()) < 5
        moment = time.strptime(context["time"], "%d/%b/%Y:%H:%M:%S +0000")
        assert moment.tm_year == time.gmtime().tm_year
        assert "authorizer" not in context

    run(tmp_path, scenario, functions)


def test_a_binary_body_is_base64_both_ways(tmp_path: Path) -> None:
    functions = Functions(
        lambda event: {
            "statusCode": 200,
            "headers": {"Content-Type": "image/png"},
            "body": event["body"],
            "isBase64Encoded": True,
        }
    )
    sent = bytes(range(256))

    async def scenario(client: aiohttp.ClientSession, _key: Key) -> None:
        async with client.post("/orders/1", data=sent) as response:
            assert await response.read() == sent
            assert response.content_type == "image/png"
        assert functions.events[0]["isBase64Encoded"] is True
        assert functions.events[0]["body"] == base64.b64encode(sent).decode()

    run(tmp_path, scenario, functions)


def test_status_headers_and_cookies_are_the_function_s(tmp_path: Path) -> None:
    answer = {
        "statusCode": 201,
        "headers": {"ETag": '"1"', "X-Number": 7},
        "cookies": ["a=1; Path=/", "b=2"],
        "body": "made",
    }

    async def scenario(client: aiohttp.ClientSession, _key: Key) -> None:
        async with client.post("/orders/1") as response:
            assert response.status == 201
            assert response.headers["etag"] == '"1"'
            assert response.headers["x-number"] == "7"
            assert response.headers.getall("set-cookie") == ["a=1; Path=/", "b=2"]
            assert response.headers["content-type"] == "text/plain; charset=utf-8"

    run(tmp_path, scenario, Functions(lambda _event: answer))


def test_an_answer_without_a_status_code_is_the_body_itself(tmp_path: Path) -> None:
    async def scenario(client: aiohttp.ClientSession, _key: Key) -> None:
        async with client.post("/orders/1") as response:
            assert (response.status, response.content_type) == (200, "application/json")
            assert await response.json() == {"orders": [1]}

    run(tmp_path, scenario, Functions(lambda _event: {"orders": [1]}))


@pytest.mark.parametrize(
    "answer",
    [
        {"statusCode": "many"},
        {"statusCode": 200, "body": {"not": "text"}},
        {"statusCode": 200, "headers": ["no", "mapping"]},
        {"statusCode": 200, "body": "no base64", "isBase64Encoded": True},
        {"statusCode": 42},
        Invocation(200, b'{"errorType": "X"}', "Unhandled", "id"),
    ],
)
def test_a_failed_function_or_a_malformed_answer_is_a_500(tmp_path: Path, answer: object) -> None:
    async def scenario(client: aiohttp.ClientSession, _key: Key) -> None:
        async with client.post("/orders/1") as response:
            expected = (500, "internal-error", "Internal Server Error")
            assert await problem_of(response) == expected

    run(tmp_path, scenario, Functions(lambda _event: answer))


def test_a_throttled_function_is_a_429_to_try_again(tmp_path: Path) -> None:
    async def scenario(client: aiohttp.ClientSession, _key: Key) -> None:
        async with client.post("/orders/1") as response:
            assert await problem_of(response) == (429, "too-many-requests", "Too Many Requests")
            assert response.headers["retry-after"] == "1"

    run(tmp_path, scenario, Functions(lambda _event: Throttled("Rate Exceeded.")))


def test_a_function_that_takes_too_long_is_a_503(tmp_path: Path) -> None:
    async def scenario(client: aiohttp.ClientSession, _key: Key) -> None:
        async with client.get("/slow") as response:
            expected = (503, "service-unavailable", "Service Unavailable")
            assert await problem_of(response) == expected

    routes = {"Slow": a_route("GET", "/slow", timeout_seconds=0.05)}
    run(tmp_path, scenario, Functions(lambda _event: asyncio.sleep), routes=routes)


def test_a_body_over_10_mb_is_a_413(tmp_path: Path) -> None:
    functions = Functions()

    async def scenario(client: aiohttp.ClientSession, _key: Key) -> None:
        too_large = b"x" * (10 * 1024 * 1024 + 1)
        async with client.post("/orders/1", data=io.BytesIO(too_large)) as response:
            expected = (413, "request-too-large", "Request Entity Too Large")
            assert await problem_of(response) == expected
        assert functions.events == []

    run(tmp_path, scenario, functions)


@pytest.mark.parametrize(
    ("method", "path", "function"),
    [
        ("GET", "/orders/search", "Static"),
        ("GET", "/orders/42", "Variable"),
        ("GET", "/orders/42/lines/1", "Greedy"),
        ("POST", "/orders/search", "Any"),
        ("DELETE", "/orders/42/lines", "Default"),
        ("GET", "/", "Default"),
    ],
)
def test_the_most_telling_route_wins(tmp_path: Path, method: str, path: str, function: str) -> None:
    functions = Functions()
    routes = {
        "Greedy": a_route("GET", "/orders/{proxy+}"),
        "Any": a_route("ANY", "/orders/{order_id}"),
        "Variable": a_route("GET", "/orders/{order_id}"),
        "Static": a_route("GET", "/orders/search"),
        "Default": a_route("ANY", "$default"),
    }

    async def scenario(client: aiohttp.ClientSession, _key: Key) -> None:
        async with client.request(method, path):
            assert functions.names == [function]

    run(tmp_path, scenario, functions, routes=routes)


def test_a_path_or_method_without_a_route_is_a_404(tmp_path: Path) -> None:
    async def scenario(client: aiohttp.ClientSession, _key: Key) -> None:
        for method, path in [("GET", "/orders/1"), ("POST", "/orders"), ("POST", "/orders/1/")]:
            async with client.request(method, path) as response:
                assert await problem_of(response) == (404, "route-not-found", "Not Found")

    run(tmp_path, scenario, Functions())


def test_a_client_that_hangs_up_leaves_the_api_and_the_function_working(tmp_path: Path) -> None:
    route = a_route("POST", "/sleep")

    async def scenario() -> None:
        sleeper = a_function(tmp_path, "sleeper", routes=(route,))
        template = Template({"Sleeper": sleeper}, (), {}, {}, None, (), None, ())
        key = load_or_create_key(tmp_path)
        async with a_service(tmp_path, sleeper) as service:
            with Logs(tmp_path / "logs", console=None) as logs:
                api = HttpApi(template, service.invoke, key=key, logs=logs)
                await api.start("127.0.0.1", 0)
                async with aiohttp.ClientSession(f"http://127.0.0.1:{api.port}") as client:
                    hasty = aiohttp.ClientTimeout(total=0.02)
                    with pytest.raises(TimeoutError):
                        await client.post("/sleep", timeout=hasty)
                    async with client.post("/sleep") as response:
                        assert response.status == 200
                await api.close()
            assert service.environments()["Sleeper"].errors == 0

    uvloop.run(scenario())
