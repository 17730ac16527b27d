"""What the runner's HTTP servers share: aiohttp's low-level server, without its application layer.

Paths are the gateway's, Lambda's or the runtime's own to interpret, and every request costs less.
"""

import asyncio
from typing import Final, Protocol

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class _RequestFactory(Protocol):
    def __call__(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: RequestHandler,
        writer: AbstractStreamWriter,
        task: "asyncio.Task[None]",
    ) -> web.BaseRequest: ...


def request_factory(max_body_bytes: int) -> _RequestFactory:
    """Return a factory of requests whose `read` refuses more than `max_body_bytes`."""
    loop = asyncio.get_running_loop()

    def make(
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: RequestHandler,
        writer: AbstractStreamWriter,
        task: "asyncio.Task[None]",
    ) -> web.BaseRequest:
        return web.BaseRequest(
            message, payload, protocol, writer, task, loop, client_max_size=max_body_bytes
        )

    return make


async def expect_continue(request: web.BaseRequest) -> None:
    """Answer 100-continue to a client that waits for it before its body (RFC 9110, 10.1.1)."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        if request.version != HttpVersion11:
            return
        writer = request.writer
        await writer.write(_CONTINUE)
        writer.output_size = 0  # none of it belongs to the answer that aiohttp is going to write
