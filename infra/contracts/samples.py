"""events/<stem>.json: what each function is called with, for `sam local invoke` and `aws lambda`.

Requests are made of the route in template.yaml and the ``SAMPLE`` that the function's test
declares, batches of events of what the commands' samples do to an order.
"""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from infra.contracts.declarations import sample
from infra.contracts.examples import BEGIN, ORDER_ID, events_of
from infra.contracts.functions import HttpFile, files_of, read_template
from infra.local.gateway.issuer import SCOPES
from ordering.delivery.envelope import CONTENT_TYPE, write_event, write_watermark

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.template.model import HttpRoute

_HOST: Final = "127.0.0.1"
_TOPIC: Final = "ordering.orders"


def documents() -> Mapping[str, str]:
    """Return the samples, by their paths."""
    routes = {
        function.stem: route
        for function in read_template().functions.values()
        for route in function.routes
    }
    requests = {
        file.stem: _request(file, routes[file.stem])
        for kind in ("commands", "queries")
        for file in files_of(kind)
    }
    batches = {file.stem: _batch() for file in files_of("projectors")}
    return {
        f"events/{stem}.json": json.dumps(event, indent=2) + "\n"
        for stem, event in {**requests, **batches}.items()
    }


def _request(file: HttpFile, route: HttpRoute) -> dict[str, Any]:
    fields = {"order_id": ORDER_ID, **sample(file.stem)}
    path = {name: str(fields.pop(name)) for name in route.variables}
    fields.pop("order_id", None)
    raw_path = route.path.format(**path)
    is_command = file.kind == "commands"
    query = {} if is_command else {name: str(value) for name, value in fields.items()}
    headers = {
        "accept": "application/json",
        "authorization": "Bearer <token>",
        "host": f"{_HOST}:3000",
    }
    if is_command:
        headers["idempotency-key"] = f"sample-{file.stem}"
        if fields:
            headers["content-type"] = "application/json"
    key = f"{route.method} {route.path}"
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": key,
        "rawPath": raw_path,
        "rawQueryString": "&".join(f"{name}={value}" for name, value in query.items()),
        "headers": headers,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "authorizer": {
                "jwt": {
                    "claims": {"sub": "operator", "scope": " ".join(SCOPES)},
                    "scopes": sorted(SCOPES),
                }
            },
            "domainName": _HOST,
            "domainPrefix": "127",
            "http": {
                "method": route.method,
                "path": raw_path,
                "protocol": "HTTP/1.1",
                "sourceIp": _HOST,
                "userAgent": "sample",
            },
            "requestId": "sample-request",
            "routeKey": key,
            "stage": "$default",
            "time": "22/Nov/2026:12:00:00 +0000",
            "timeEpoch": 1795348800000,
        },
        "isBase64Encoded": False,
    }
    if path:
        event["pathParameters"] = path
    if query:
        event["queryStringParameters"] = query
    if is_command and fields:
        event["body"] = json.dumps(fields)
    return event


def _batch() -> dict[str, Any]:
    """Return what a projector gets of the first events of the samples' order and a watermark."""
    values = [
        write_event(
            order_id=ORDER_ID,
            version=version,
            event_type=type(event.fact).__name__,
            schema_version=event.fact.schema_version,
            data=event.data(),
            metadata={
                "actor": "operator",
                "correlation_id": "sample-request",
                "causation_id": "sample-1",
                "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            },
            recorded_at=at,
        )
        for version, (at, event) in enumerate(events_of("place_order", "confirm_order"), start=1)
    ]
    values.append(write_watermark(BEGIN + timedelta(hours=2), partitions=1))
    records = [_record(offset, value) for offset, value in enumerate(values)]
    return {
        "eventSource": "aws:kafka",
        "eventSourceArn": "arn:aws:kafka:us-east-1:000000000000:cluster/local/0",
        "bootstrapServers": f"{_HOST}:3004",
        "records": {f"{_TOPIC}-0": records},
    }


def _record(offset: int, value: bytes) -> dict[str, Any]:
    record: dict[str, Any] = {
        "topic": _TOPIC,
        "partition": 0,
        "offset": offset,
        "timestamp": 1795348800000,
        "timestampType": "CREATE_TIME",
        "value": base64.b64encode(value).decode(),
        "headers": [{"content-type": list(CONTENT_TYPE.encode())}],
    }
    if "subject" in json.loads(value):  # a watermark has no key
        record["key"] = base64.b64encode(ORDER_ID.encode()).decode()
    return record
