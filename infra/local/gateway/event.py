"""API Gateway's payload format 2.0: a request as an event, and a function's answer as a response.

Format: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

import base64
import json
import re
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from aiohttp import web
from multidict import CIMultiDict

from infra.local.gateway.authorizer import Authorization
from infra.local.gateway.routes import Match
from infra.local.template.cloudformation import ACCOUNT

_TEXT_TYPE: Final = re.compile(
    r"text/|application/(json|javascript|xml|[^;]+\+(json|xml))\s*(;|$)", re.IGNORECASE
)
# The connection's own, which the server sets for its answer.
_HOP_HEADERS: Final = {"connection", "content-length", "keep-alive", "transfer-encoding"}
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_HEADER_VALUE: Final = re.compile(r"[^\r\n\0\ud800-\udfff]*")  # RFC 9110, 5.5; and UTF-8
_MONTHS: Final = "JanFebMarAprMayJunJulAugSepOctNovDec"
_DEFAULT_TYPE: Final = "text/plain; charset=utf-8"


class MalformedAnswer(Exception):  # noqa: N818 - says what the function's answer is
    """A function's answer is not what format 2.0 allows."""


def event(
    request: web.BaseRequest,
    body: bytes,
    match: Match,
    authorization: Authorization | None,
    *,
    request_id: str,
    trace_id: str,
) -> dict[str, Any]:
    """Return the event for a request."""
    url = request.rel_url
    headers: dict[str, str] = {}
    cookies: list[str] = []
    for name, value in request.headers.items():
        key = name.lower()
        if key == "cookie":
            cookies.extend(part.strip() for part in value.split(";"))
        elif key in headers:
            headers[key] = f"{headers[key]},{value}"
        else:
            headers[key] = value
    source = request.remote or "127.0.0.1"
    host = headers.get("host", "127.0.0.1")
    forwarded = headers.get("x-forwarded-for")
    headers["x-forwarded-for"] = f"{forwarded}, {source}" if forwarded else source
    headers.setdefault("x-forwarded-proto", "http")
    headers.setdefault("x-forwarded-port", host.rpartition(":")[2] if ":" in host else "80")
    headers["x-amzn-trace-id"] = trace_id
    now = time.time()
    # Unlike Lambda's function URLs, an HTTP API decodes the path; the query string stays raw.
    path = unquote(url.raw_path)
    context: dict[str, Any] = {
        "accountId": ACCOUNT,
        "apiId": "local",
        "domainName": host,
        "domainPrefix": host.partition(".")[0],
        "http": {
            "method": request.method,
            "path": path,
            "protocol": f"HTTP/{request.version.major}.{request.version.minor}",
            "sourceIp": source,
            "userAgent": headers.get("user-agent", ""),
        },
        "requestId": request_id,
        "routeKey": match.route.key,
        "stage": "$default",
        "time": _clf_time(now),
        "timeEpoch": int(now * 1000),
    }
    if authorization is not None:
        context["authorizer"] = {
            "jwt": {
                "claims": authorization.claims,
                "scopes": sorted(authorization.scopes) if match.route.scopes else None,
            }
        }
    result: dict[str, Any] = {
        "version": "2.0",
        "routeKey": match.route.key,
        "rawPath": path,
        "rawQueryString": url.raw_query_string,
        "headers": headers,
        "requestContext": context,
        "isBase64Encoded": False,
    }
    if cookies:
        result["cookies"] = cookies
    if url.raw_query_string:
        result["queryStringParameters"] = _query_parameters(url.raw_query_string)
    if match.path_parameters:
        result["pathParameters"] = match.path_parameters
    if body:
        result["body"], result["isBase64Encoded"] = _body(body, headers)
    return result


def response(payload: bytes) -> web.Response:
    """Return the HTTP response for a function's answer; raises MalformedAnswer."""
    try:
        answer = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise MalformedAnswer(f"not JSON: {error}") from error
    if not isinstance(answer, dict) or "statusCode" not in answer:
        # Anything without a status code is taken as the body itself, as JSON.
        return web.Response(body=payload, content_type="application/json")
    try:
        status = int(answer["statusCode"])
        body = _answer_body(answer)
        headers = _answer_headers(answer)
    except (AttributeError, TypeError, ValueError) as error:
        raise MalformedAnswer(str(error)) from error
    if not 200 <= status < 600:  # noqa: PLR2004 - the final status codes of HTTP
        raise MalformedAnswer(f"statusCode {status}")
    if body and "content-type" not in headers:
        headers["content-type"] = _DEFAULT_TYPE
    return web.Response(status=status, body=body or None, headers=headers)


def _answer_body(answer: Mapping[str, Any]) -> bytes:
    body = answer.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise TypeError(f"body is a {type(body).__name__}, not text")
    if answer.get("isBase64Encoded"):
        return base64.b64decode(body, validate=True)
    return body.encode()


def _answer_headers(answer: Mapping[str, Any]) -> CIMultiDict[str]:
    headers = CIMultiDict[str]()
    for name, value in (answer.get("headers") or {}).items():
        if name.lower() not in _HOP_HEADERS:
            headers[name] = value if isinstance(value, str) else json.dumps(value)
    for cookie in answer.get("cookies") or ():
        headers.add("set-cookie", cookie)
    for name, text in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(text):
            raise ValueError(f"{name!r}: {text!r} is no header")
    return headers


def _body(body: bytes, headers: Mapping[str, str]) -> tuple[str, bool]:
    """Return the body as the event has it, and whether that is base64."""
    if "content-encoding" not in headers and _TEXT_TYPE.match(headers.get("content-type", "")):
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass  # it says it is text, and is not
    return base64.b64encode(body).decode(), True


def _query_parameters(query: str) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        parameters[name] = f"{parameters[name]},{value}" if name in parameters else value
    return parameters


def _clf_time(now: float) -> str:
    """Return the time as the access log format writes it; not strftime, which would translate."""
    t = time.gmtime(now)
    return (
        f"{t.tm_mday:02d}/{_MONTHS[3 * t.tm_mon - 3 : 3 * t.tm_mon]}/{t.tm_year}:"
        f"{t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d} +0000"
    )
