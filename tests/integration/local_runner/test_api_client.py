"""The demo's client, against a server that the test plays."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from infra.local.demo.api_client import ApiClient, ApiError, Reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

DONE = (200, {"consistency-token": "t"}, '{"version": 1}')
Answer = tuple[int, dict[str, str], str] | None  # None: the connection is dropped


def talk(
    answers: list[Answer],
    request: Callable[[ApiClient], Awaitable[Reply]],
    patience_seconds: float = 5,
) -> tuple[Reply, list[web.BaseRequest], int]:
    """Answer one request after the other, the last answer for ever."""
    requests: list[web.BaseRequest] = []

    async def handle(request: web.BaseRequest) -> web.Response:
        requests.append(request)
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer is None:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        status, headers, body = answer
        return web.Response(status=status, headers=headers, text=body)

    async def run() -> tuple[Reply, list[web.BaseRequest], int]:
        runner = web.ServerRunner(web.Server(handle))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        try:
            async with ApiClient(
                f"http://{host}:{port}", "jwt", patience_seconds=patience_seconds
            ) as client:
                return await request(client), requests, client.retries
        finally:
            await runner.cleanup()

    return asyncio.run(run())


def post(client: ApiClient) -> Awaitable[Reply]:
    return client.post("/orders", "key-1", {"lines": []})


@pytest.mark.parametrize(
    "trouble",
    [
        (503, {}, "{}"),
        (500, {}, "not JSON"),
        (429, {"retry-after": "0"}, "{}"),
        (409, {"retry-after": "0"}, '{"code": "request-in-progress"}'),
        (200, {"read-model-stale": "?1"}, '{"version": 0}'),
        None,
    ],
)
def test_passing_trouble_is_repeated_with_the_same_key(trouble: Answer) -> None:
    reply, requests, retries = talk([trouble, trouble, DONE], post)
    assert (reply.status, reply.body) == (200, {"version": 1})
    assert [request.headers["idempotency-key"] for request in requests] == ["key-1"] * 3
    assert retries == 2


def test_it_waits_as_long_as_retry_after_says() -> None:
    began = time.monotonic()
    talk([(503, {"retry-after": "1"}, "{}"), DONE], post)
    assert 1 <= time.monotonic() - began < 3


@pytest.mark.parametrize("status", [400, 401, 404, 409, 422])
def test_a_refusal_is_not_repeated(status: int) -> None:
    with pytest.raises(ApiError, match=f"refused: {status}"):
        talk([(status, {}, '{"code": "no"}')], post)


def test_it_gives_up_when_nothing_has_succeeded_for_too_long() -> None:
    with pytest.raises(ApiError, match="nothing has succeeded"):
        talk([(503, {}, "{}")], post, patience_seconds=0.3)


def test_a_query_waits_for_what_its_tokens_name() -> None:
    _, (request,), _ = talk([DONE], lambda client: client.get("/orders/1", "a, b", limit=5))
    assert request.headers["consistency-token"] == "a, b"
    assert request.headers["prefer"] == "wait=20"
    assert request.query == {"limit": "5"}
