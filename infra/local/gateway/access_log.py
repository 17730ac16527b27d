"""The HTTP API's access log: a line of JSON per request, with the template's fields."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from infra.local.gateway.problems import Ids
from infra.local.logs import Logs
from infra.local.template.model import CLAIM_VARIABLE, AccessLog

_STEM: Final = "access"
_NOTHING: Final = "-"  # as API Gateway writes a variable that has no value
_MAX_ERROR: Final = 500


@dataclass
class Access:
    """What is known of a request while it is answered; `integration_seconds` is its function's."""

    ids: Ids
    route_key: str = _NOTHING
    claims: Mapping[str, str] = field(default_factory=dict)
    error: str = _NOTHING
    authorizer_error: str = _NOTHING
    integration_error: str = _NOTHING
    integration_seconds: float | None = None
    started: float = field(default_factory=time.perf_counter)
    at_ms: int = field(default_factory=lambda: time.time_ns() // 1_000_000)


class AccessLogWriter:
    """Writes the lines to the stack's log, as `access`; without `access_log` there are none."""

    def __init__(self, access_log: AccessLog | None, logs: Logs) -> None:
        self._fields = {} if access_log is None else access_log.fields
        self._logs = logs

    def write(self, access: Access, response: web.Response) -> None:
        """Write the line of a request that is answered. Every value is text, as in the cloud."""
        if not self._fields:
            return
        seconds = access.integration_seconds
        values = {
            "authorizer.error": access.authorizer_error,
            "error.message": access.error,
            "integrationErrorMessage": access.integration_error[:_MAX_ERROR],
            "integrationLatency": _NOTHING if seconds is None else _milliseconds(seconds),
            "requestId": access.ids.request_id,
            "requestTimeEpoch": str(access.at_ms),
            "responseLatency": _milliseconds(time.perf_counter() - access.started),
            "responseLength": str(response.content_length or 0),
            "routeKey": access.route_key,
            "status": str(response.status),
        }
        line = {
            name: access.claims.get(variable.removeprefix(CLAIM_VARIABLE), _NOTHING)
            if variable.startswith(CLAIM_VARIABLE)
            else values[variable]
            for name, variable in self._fields.items()
        }
        self._logs.lines(_STEM, [json.dumps(line).encode()])


def _milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))
