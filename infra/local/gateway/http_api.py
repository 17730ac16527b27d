"""API Gateway's HTTP API on one machine: routes, JWT authorizer, CORS, access log, payload 2.0."""

import asyncio
import base64
import json
import os
import time
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from typing import Final, Protocol

from aiohttp import web

from infra.local.gateway import event as http_event
from infra.local.gateway.access_log import Access, AccessLogWriter
from infra.local.gateway.authorizer import Authorization, JwtAuthorizer, Refused
from infra.local.gateway.issuer import Key, documents
from infra.local.gateway.page import Page
from infra.local.gateway.problems import FailedCalls, Ids, message_of, problem, reason_of
from infra.local.gateway.routes import Match, Routes
from infra.local.gateway.sign_in import SignIn
from infra.local.gateway.throttling import Throttling
from infra.local.http_server import expect_continue, request_factory
from infra.local.lambdas.invocation import Invocation, LambdaError, RequestTooLarge, Throttled
from infra.local.logs import Logs
from infra.local.template.model import Cors, Template

_MAX_BODY_BYTES: Final = 10 * 1024 * 1024  # the HTTP API's quota
_CORS_PREFIX: Final = "access-control-"
_RETRY_SOON: Final = {"retry-after": "1"}


class Invoke(Protocol):
    """How a function is called; LambdaService.invoke."""

    async def __call__(
        self, name: str, payload: bytes, *, trace_id: str | None = None
    ) -> Invocation:
        """Invoke the function and wait for its answer; raises LambdaError when it was not run."""


class HttpApi:
    """Serves the routes of a template, the local issuer's documents under /issuer, and pages.

    Its own answers are API Gateway's, as problem documents (RFC 9457) that also have AWS's
    `message`. Those that say that a function failed are logged, by the ids that the client got.
    """

    def __init__(
        self,
        template: Template,
        invoke: Invoke,
        *,
        key: Key,
        logs: Logs,
        pages: Mapping[str, Page] | None = None,
        sign_in: SignIn | None = None,
    ) -> None:
        self._sign_in = sign_in
        self._pages = {} if pages is None else pages  # which may still grow
        self._routes = Routes(template.functions)
        self._throttling = Throttling()
        self._cors = template.cors
        self._invoke = invoke
        self._failed = FailedCalls(logs)
        self._access_log = AccessLogWriter(template.access_log, logs)
        issuer = template.jwt_issuer
        self._authorizer = (
            None if issuer is None else JwtAuthorizer(key, issuer, template.jwt_audience)
        )
        self._documents = {} if issuer is None else documents(key, issuer, template.scopes)
        self._runner: web.ServerRunner | None = None
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 takes a free one, which `port` then is. Raises OSError when taken."""
        server = web.Server(
            self._serve,
            request_factory=request_factory(_MAX_BODY_BYTES),
            access_log=None,
            auto_decompress=False,  # the function gets what was sent
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Stop listening, and give running requests a second."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        request_id = base64.urlsafe_b64encode(os.urandom(11)).decode()
        response = self._local_answer(request)
        if response is None and self._sign_in is not None:
            response = await self._sign_in.answer(request)
        if response is None:
            access = Access(Ids.of(request, request_id))
            response = await self._route(request, access)
            self._access_log.write(access, response)
        response.headers["apigw-requestid"] = request_id
        origin = request.headers.get("Origin")
        if origin is not None and self._cors is not None:
            _add_cors(response, self._cors, origin)
        return response

    def _local_answer(self, request: web.BaseRequest) -> web.Response | None:
        """Answer what is not the API's: CORS preflights, the issuer's documents, and pages."""
        if (
            self._cors is not None
            and request.method == "OPTIONS"
            and "Origin" in request.headers
            and "Access-Control-Request-Method" in request.headers
        ):
            return web.Response(status=204, headers=_preflight_headers(self._cors, request))
        if request.method not in {"GET", "HEAD"}:
            return None
        path = request.rel_url.raw_path
        if (document := self._documents.get(path)) is not None:
            return web.Response(body=document, content_type="application/json")
        page = self._pages.get(path)
        if page is not None and self._routes.find(request.method, path) is None:
            return page.answer(request)
        return None

    async def _route(self, request: web.BaseRequest, access: Access) -> web.Response:
        match = self._routes.find(request.method, request.rel_url.raw_path)
        if match is None:
            return _problem(404, "No route matches this method and path.", access)
        access.route_key = match.route.key
        authorization: Authorization | None = None
        if match.route.authorized and self._authorizer is not None:
            header = request.headers.get("Authorization")
            try:
                authorization = self._authorizer.authorize(header, match.route.scopes)
            except Refused as refused:
                detail = (
                    "A valid access token is needed."
                    if refused.status == HTTPStatus.UNAUTHORIZED
                    else "The access token lacks a scope that this route needs."
                )
                access.authorizer_error, access.claims = refused.reason, refused.claims
                response = _problem(refused.status, detail, access)
                response.headers["www-authenticate"] = refused.challenge
                return response
            access.claims = authorization.claims
        if not self._throttling.allows(match.route):
            return _too_many("The route takes no more requests at this moment.", access)
        await expect_continue(request)
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return _problem(413, "The request body is over 10 MB.", access)
        return await self._call(request, body, match, authorization, access)

    def _without_cors(self, response: web.Response) -> web.Response:
        """Drop a function's own CORS headers, as API Gateway does when it is configured itself."""
        if self._cors is not None:
            for name in [n for n in response.headers if n.lower().startswith(_CORS_PREFIX)]:
                del response.headers[name]
        return response

    async def _call(
        self,
        request: web.BaseRequest,
        body: bytes,
        match: Match,
        authorization: Authorization | None,
        access: Access,
    ) -> web.Response:
        trace_id = request.headers.get("X-Amzn-Trace-Id") or _trace_id()
        event = http_event.event(
            request, body, match, authorization, request_id=access.ids.request_id, trace_id=trace_id
        )
        failed = partial(self._fail, access=access)
        started = time.perf_counter()
        try:
            async with asyncio.timeout(match.route.timeout_seconds):
                result = await self._invoke(
                    match.function, json.dumps(event).encode(), trace_id=trace_id
                )
        except TimeoutError:
            reason = f"no answer within the integration's {match.route.timeout_seconds:g} s"
            return failed(503, "The function did not answer in time.", reason=reason)
        except Throttled as error:
            response = failed(429, "The function runs as often as it may.", reason=str(error))
            response.headers.update(_RETRY_SOON)
            return response
        except RequestTooLarge:
            return _problem(413, "The request is over what a function can take.", access)
        except LambdaError as error:
            return failed(503, "The function cannot be called now.", reason=str(error))
        finally:
            access.integration_seconds = time.perf_counter() - started
        if result.function_error is not None:
            reason = reason_of(result)
        else:
            try:
                return self._without_cors(http_event.response(result.payload))
            except http_event.MalformedAnswer as error:
                reason = f"malformed answer: {error}"
        return failed(
            500, "The function failed.", reason=reason, lambda_request_id=result.request_id
        )

    def _fail(
        self,
        status: int,
        detail: str,
        access: Access,
        *,
        reason: str,
        lambda_request_id: str | None = None,
    ) -> web.Response:
        access.error, access.integration_error = message_of(status), reason
        return self._failed.answer(
            status,
            detail,
            access.ids,
            route=access.route_key,
            reason=reason,
            lambda_request_id=lambda_request_id,
        )


def _problem(status: int, detail: str, access: Access) -> web.Response:
    access.error = message_of(status)
    return problem(status, detail, access.ids)


def _too_many(detail: str, access: Access) -> web.Response:
    response = _problem(429, detail, access)
    response.headers.update(_RETRY_SOON)
    return response


def _add_cors(response: web.StreamResponse, cors: Cors, origin: str) -> None:
    allowed = "*" if "*" in cors.allow_origins else origin
    if allowed not in cors.allow_origins:
        return
    headers = response.headers
    headers["access-control-allow-origin"] = allowed
    if allowed != "*":
        headers["vary"] = "Origin"
    if cors.allow_credentials:
        headers["access-control-allow-credentials"] = "true"
    if cors.expose_headers:
        headers["access-control-expose-headers"] = ",".join(cors.expose_headers)


def _preflight_headers(cors: Cors, request: web.BaseRequest) -> dict[str, str]:
    headers: dict[str, str] = {}
    if not {"*", request.headers["Origin"]} & set(cors.allow_origins):
        return headers
    if cors.allow_methods:
        headers["access-control-allow-methods"] = ",".join(cors.allow_methods)
    if cors.allow_headers:
        headers["access-control-allow-headers"] = ",".join(cors.allow_headers)
    if cors.max_age is not None:
        headers["access-control-max-age"] = str(cors.max_age)
    return headers


def _trace_id() -> str:
    return f"Root=1-{int(time.time()):08x}-{os.urandom(12).hex()}"
