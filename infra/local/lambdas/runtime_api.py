"""The Lambda Runtime API (version 2018-06-01) of one execution environment, and its extension.

The runtime inside an environment asks here for its next invocation and posts what came of it.
Each environment has a port of its own, so the port says which environment is asking.
"""

import asyncio
from typing import Final, Protocol

from aiohttp import web

from infra.local.http_server import expect_continue, request_factory
from infra.local.lambdas.invocation import MAX_RESPONSE_BYTES, Job

_PREFIX: Final = "/2018-06-01/runtime/"
_NEXT: Final = f"{_PREFIX}invocation/next"
_INVOCATION: Final = f"{_PREFIX}invocation/"
_INIT_ERROR: Final = f"{_PREFIX}init/error"
_EXTENSION: Final = "/2020-01-01/extension/"


_IDENTIFIER: Final = "extension"
"""An environment has one extension at most: its own process."""


class Runtime(Protocol):
    """What the Runtime API calls in the environment that it belongs to."""

    @property
    def function_arn(self) -> str:
        """The ARN the runtime is to show its handler."""

    async def next_job(self) -> Job:
        """Wait for the next invocation; the first call says that the function is initialised."""

    def answered(self, request_id: str, body: bytes, function_error: str | None) -> bool:
        """Take the handler's answer or error; False when no such invocation is running."""

    def answer_too_large(self) -> None:
        """Hear that the handler's answer was over Lambda's limit."""

    def init_failed(self, body: bytes) -> None:
        """Hear that the handler could not be loaded; `body` is the error object."""

    def extension_registered(self) -> None:
        """Hear that the process wants to be told before it ends."""


class RuntimeApi:
    """An HTTP listener on a free loopback port."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._web: web.Server | None = None
        self._listener: asyncio.Server | None = None

    async def start(self) -> int:
        """Listen, and return the port."""
        self._web = web.Server(
            self._serve, request_factory=request_factory(MAX_RESPONSE_BYTES), access_log=None
        )
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._web, "127.0.0.1", 0)
        port: int = self._listener.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        """Stop listening and drop the runtime's connection."""
        if self._listener is not None and self._web is not None:
            self._listener.close()
            await self._web.shutdown(timeout=1)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.rel_url.raw_path
        if path == _NEXT:
            return await self._next()
        if path.startswith(_EXTENSION):
            return await self._extension(path.removeprefix(_EXTENSION))
        await expect_continue(request)
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            self._runtime.answer_too_large()
            return web.Response(status=413)
        if path == _INIT_ERROR:
            self._runtime.init_failed(body)
            return web.Response(status=202)
        request_id, _, outcome = path.removeprefix(_INVOCATION).partition("/")
        function_error = {"response": None, "error": "Unhandled"}.get(outcome, outcome)
        if function_error == outcome:
            return web.Response(status=404)
        known = self._runtime.answered(request_id, body, function_error)
        return web.Response(status=202 if known else 400)

    async def _extension(self, path: str) -> web.Response:
        """Serve an internal extension: those register for no events, so that none ever comes."""
        if path == "register":
            self._runtime.extension_registered()
            return web.json_response({}, headers={"Lambda-Extension-Identifier": _IDENTIFIER})
        if path == "event/next":
            await asyncio.Event().wait()
        return web.Response(status=404)

    async def _next(self) -> web.Response:
        job = await self._runtime.next_job()
        headers = {
            "Content-Type": "application/json",  # without it the handler gets the raw bytes
            "Lambda-Runtime-Aws-Request-Id": job.request_id,
            "Lambda-Runtime-Deadline-Ms": str(job.deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": self._runtime.function_arn,
        }
        if job.trace_id is not None:
            headers["Lambda-Runtime-Trace-Id"] = job.trace_id
        if job.client_context is not None:
            headers["Lambda-Runtime-Client-Context"] = job.client_context
        return web.Response(body=job.payload, headers=headers)
