"""Lambda's Invoke API, for boto3, the AWS CLI and whatever else speaks it.

API: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

import base64
import binascii
import json
from typing import Any, Final
from urllib.parse import unquote

from aiohttp import web

from infra.local.http_server import expect_continue, request_factory
from infra.local.lambdas.invocation import (
    MAX_PAYLOAD_BYTES,
    LambdaError,
    RequestTooLarge,
    UnknownFunction,
)
from infra.local.lambdas.service import LambdaService
from infra.local.template.model import Function

_FUNCTIONS: Final = "/2015-03-31/functions"
_LATEST: Final = "$LATEST"


class _BadRequest(LambdaError):  # noqa: N818 - named as its siblings are
    """A request that Lambda does not understand."""

    status = 400

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class InvokeApi:
    """Serves Invoke, ListFunctions, GetFunction and GetFunctionConfiguration."""

    def __init__(self, service: LambdaService) -> None:
        self._service = service
        self._runner: web.ServerRunner | None = None
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 takes a free one, which `port` then is. Raises OSError when taken."""
        server = web.Server(
            self._serve, request_factory=request_factory(MAX_PAYLOAD_BYTES), access_log=None
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
        try:
            return await self._dispatch(request)
        except LambdaError as error:
            kind = "User" if error.status < 500 else "Service"  # noqa: PLR2004 - HTTP's server errors
            message = str(error)
            # Lambda spells the member with a small or a capital m, depending on the error.
            body = {"Type": kind, "Message": message, "message": message}
            response = web.json_response(body, status=error.status)
            response.headers["x-amzn-errortype"] = error.code
            if error.status == 429:  # noqa: PLR2004 - Too Many Requests
                response.headers["Retry-After"] = "1"
            return response

    async def _dispatch(self, request: web.BaseRequest) -> web.Response:
        path = request.rel_url.raw_path
        if not path.startswith(_FUNCTIONS):
            raise UnknownFunction(f"no such operation: {request.method} {path}")
        parts = [unquote(part) for part in path.removeprefix(_FUNCTIONS).split("/") if part]
        match request.method, parts:
            case "POST", [name, "invocations"]:
                return await self._invoke(request, self._function(request, name))
            case "GET", []:
                configurations = map(self._configuration, self._service.functions.values())
                return web.json_response({"Functions": list(configurations)})
            case "GET", [name]:
                function = self._function(request, name)
                return web.json_response({"Configuration": self._configuration(function)})
            case "GET", [name, "configuration"]:
                return web.json_response(self._configuration(self._function(request, name)))
            case _:
                raise UnknownFunction(f"no such operation: {request.method} {path}")

    def _function(self, request: web.BaseRequest, reference: str) -> Function:
        """Return the function that a name, a stem, or a full or partial ARN refers to."""
        name, qualifier = reference, request.rel_url.query.get("Qualifier", _LATEST)
        if "function:" in name:
            name = name.partition("function:")[2]
        if ":" in name:
            name, _, qualifier = name.partition(":")
        if qualifier != _LATEST:
            arn = self._service.function_arn(name)
            raise UnknownFunction(f"Function not found: {arn}:{qualifier}")
        return self._service.find(name)

    async def _invoke(self, request: web.BaseRequest, function: Function) -> web.Response:
        await expect_continue(request)
        try:
            payload = await request.read() or b"{}"
        except web.HTTPRequestEntityTooLarge:
            raise RequestTooLarge(
                f"Request must be smaller than {MAX_PAYLOAD_BYTES} bytes for the InvokeFunction "
                "operation"
            ) from None
        _check_json(payload)
        headers = {"X-Amz-Executed-Version": _LATEST}
        match request.headers.get("X-Amz-Invocation-Type", "RequestResponse"):
            case "DryRun":
                return web.Response(status=204, headers=headers)
            case "Event":
                headers["x-amzn-RequestId"] = await self._service.invoke_async(
                    function.name, payload
                )
                return web.Response(status=202, headers=headers)
            case "RequestResponse":
                result = await self._service.invoke(
                    function.name,
                    payload,
                    trace_id=request.headers.get("X-Amzn-Trace-Id"),
                    client_context=_client_context(request),
                )
            case kind:
                raise _BadRequest("InvalidParameterValueException", f"InvocationType {kind}")
        headers["x-amzn-RequestId"] = result.request_id
        if result.function_error is not None:
            headers["X-Amz-Function-Error"] = result.function_error
        if request.headers.get("X-Amz-Log-Type") == "Tail":
            tail = result.log_tail.encode()[-4096:]
            headers["X-Amz-Log-Result"] = base64.b64encode(tail).decode()
        return web.Response(
            status=result.status,
            body=result.payload,
            content_type="application/json",
            headers=headers,
        )

    def _configuration(self, function: Function) -> dict[str, Any]:
        return {
            "FunctionName": function.name,
            "FunctionArn": self._service.function_arn(function.name),
            "Handler": function.handler,
            "MemorySize": function.memory,
            "Timeout": function.timeout,
            "Environment": {"Variables": dict(function.environment)},
            "PackageType": "Zip",
            "State": "Active",
            "LastUpdateStatus": "Successful",
            "Version": _LATEST,
        }


def _check_json(payload: bytes) -> None:
    try:
        json.loads(payload)
    except ValueError as error:
        raise _BadRequest(
            "InvalidRequestContentException",
            f"Could not parse request body into json: {error}",
        ) from None


def _client_context(request: web.BaseRequest) -> str | None:
    encoded = request.headers.get("X-Amz-Client-Context")
    if encoded is None:
        return None
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise _BadRequest(
            "InvalidRequestContentException", "ClientContext is not base64 of text"
        ) from None
