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
from infra.local.lambdas.invocation import Invocation, ServiceClosed, Throttled
from infra.local.logs import Logs
from infra.local.template import Template
from ordering.runtime.http import Request
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
        {"statusCode": 200, "headers": {"X-Note": "two\r\nlines"}},
        {"statusCode": 200, "headers": {"X-Note": "\ud800"}},
        {"statusCode": 200, "headers": {"no name": "x"}},
        {"statusCode": 200, "cookies": [5]},
        Invocation(200, b"[" * 100_000, None, "id"),
        Invocation(200, b'{"errorType": "X"}', "Unhandled", "id"),
    ],
)
def test_a_failed_function_or_a_malformed_answer_is_a_500(tmp_path: Path, answer: object) -> None:
    async def scenario(client: aiohttp.ClientSession, _key: Key) -> None:
        async with client.post("/orders/1") as response:
            expected = (500, "internal-error", "Internal Server Error")
            assert await problem_of(response) == expected

    run(tmp_path, scenario, Functions(lambda _event: answer))


def log_line(directory: Path, text: str) -> str:
    """Return the one line of the log files that has `text` in it, as grep would."""
    logs = [file.read_text() for file in (directory / "logs").glob("*.log")]
    lines = {line.partition(" ERROR ")[2] for log in logs for line in log.splitlines()}
    (found,) = [line for line in lines if text in line]
    return found


@pytest.mark.parametrize(
    ("answer", "status", "reason", "lambda_id"),
    [
        (
            Invocation(200, b'{"errorType": "E", "errorMessage": "a\\nb"}', "Unhandled", "l-1"),
            500,
            "E: a b",
            " lambda_request_id=l-1",
        ),
        (
            Invocation(200, b"rubbish", "Unhandled", "l-1"),
            500,
            "Unhandled: rubbish",
            " lambda_request_id=l-1",
        ),
        (
            Invocation(200, b'{"statusCode": 42}', None, "l-1"),
            500,
            "malformed answer: statusCode 42",
            " lambda_request_id=l-1",
        ),
        (
            ServiceClosed("the runner is shutting down"),
            503,
            "the runner is shutting down",
            "",
        ),
        (
            asyncio.sleep,
            503,
            "no answer within the integration's 0.05 s",
            "",
        ),
    ],
)
def test_why_a_function_gave_no_answer_is_logged_by_the_id_that_the_client_sent(
    tmp_path: Path, answer: object, status: int, reason: str, lambda_id: str
) -> None:
    ids: list[str] = []

    async def scenario(client: aiohttp.ClientSession, _key: Key) -> None:
        async with client.get("/slow", headers={"X-Correlation-Id": "c-1"}) as response:
            assert (await problem_of(response))[0] == status
            assert response.headers["x-correlation-id"] == "c-1"
            ids.append(response.headers["apigw-requestid"])

    routes = {"Slow": a_route("GET", "/slow", timeout_seconds=0.05)}
    run(tmp_path, scenario, Functions(lambda _event: answer), routes=routes)
    named = f"correlation_id=c-1 request_id={ids[0]}{lambda_id}"
    assert log_line(tmp_path, "c-1") == f"GET /slow: {status}, {reason} {named}"


def test_a_failure_of_which_the_client_sent_no_id_is_logged_by_the_one_it_gets(
    tmp_path: Path,
) -> None:
    ids: list[str] = []

    async def scenario(client: aiohttp.ClientSession, _key: Key) -> None:
        async with client.post("/orders/1") as response:
            await problem_of(response)
            ids.append(response.headers["x-correlation-id"])

    run(tmp_path, scenario, Functions(lambda _event: {"statusCode": 42}))
    assert log_line(tmp_path, ids[0])


@pytest.mark.parametrize("sent", ["c-1", "x" * 128, "x" * 129, "", "two words", "é", "!~", "a,b"])
def test_the_gateway_takes_over_the_correlation_ids_that_functions_take_over(
    tmp_path: Path, sent: str
) -> None:
    functions = Functions()

    async def scenario(client: aiohttp.ClientSession, _key: Key) -> None:
        headers = [("X-Correlation-Id", part) for part in sent.split(",")]
        async with client.post("/orders/1", headers=headers):
            taken = Request.of(functions.events[0]).correlation_id
        async with client.get("/nothing", headers=headers) as response:
            own = response.headers["apigw-requestid"]
            gateway_took = response.headers["x-correlation-id"]
        assert (taken == sent) == (gateway_took == sent)
        assert gateway_took in {sent, own}

    run(tmp_path, scenario, functions)


def test_a_throttled_function_is_a_429_to_try_again(tmp_path: Path) -> None:
    async def scenario(client: aiohttp.ClientSession, _key: Key) -> None:
        async with client.post("/orders/1") as response:
            assert await problem_of(response) == (429, "too-many-requests", "Too Many Requests")
            assert response.headers["retry-after"] == "1"

    run(tmp_path, scenario, Functions(lambda _event: Throttled("Rate Exceeded.")))
    assert (
        "POST /orders/{order_id}: 429, Rate Exceeded."
        in (tmp_path / "logs" / "runner.log").read_text()
    )


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
