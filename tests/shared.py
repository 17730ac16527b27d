"""What tests of every height use: an order as clients send it, and waiting for what will happen."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from ordering.delivery.envelope import write_event

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

HOSTILE: Final = {
    "PGSSLMODE": "require",
    "PGHOST": "db.invalid",
    "PGPORT": "1",
    "PGUSER": "nobody",
    "PGDATABASE": "other",
    "PGPASSFILE": "/nonexistent",
    "PGSERVICE": "none",
    "PGOPTIONS": "-c search_path=x",
    "PGCLIENTENCODING": "LATIN1",
    "PGDATA": "/nonexistent",
    "PYTHONHOME": "/nonexistent",
    "PYTHONPATH": "/nonexistent",
    "PYTHONSAFEPATH": "1",
    "PYTHONWARNINGS": "error",
    "PYTHONOPTIMIZE": "2",
    "PYTHONUTF8": "0",
    "PYTHONINSPECT": "1",
    "PYTHONIOENCODING": "ascii",
    "PYTHONCOERCECLOCALE": "0",
    "PYTHONDEVMODE": "1",
    "JAVA_TOOL_OPTIONS": "-Xmx1k",
    "_JAVA_OPTIONS": "-Xmx1k",
    "JDK_JAVA_OPTIONS": "--none",
    "JAVA_HOME": "/nonexistent",
    "CLASSPATH": "/nonexistent",
    "KAFKA_OPTS": "-Xmx1k",
    "KAFKA_HEAP_OPTS": "-Xmx1k",
    "LOG_DIR": "/nonexistent",
    "LC_ALL": "C",
    "LANG": "tr_TR.ISO-8859-9",
    "TZ": "Asia/Kathmandu",
    "HOME": "/proc/nonexistent",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    "AWS_PROFILE": "none",
    "AWS_REGION": "nowhere",
    "AWS_CA_BUNDLE": "/nonexistent",
    "LOCALSTACK_HOST": "nowhere:1",
}
"""Variables that a developer may have set for other work."""


def write_record(
    name: str, schema_version: int, data: str, *, order_id: str, version: int, at: datetime
) -> bytes:
    """Return the value of the record of the event of this name, whose JSON is ``data``."""
    return write_event(
        order_id=order_id,
        version=version,
        event_type=name,
        schema_version=schema_version,
        data=data,
        metadata={"actor": "operator", "correlation_id": "c", "traceparent": "t"},
        recorded_at=at,
    )


def an_order(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any field may be changed
    return {
        "customer_id": "ALFKI",
        "currency": "EUR",
        "lines": [
            {"sku": "28", "quantity": 3, "unit_price": {"amount": "9.99", "currency": "EUR"}}
        ],
        "shipping_address": {"name": "M", "street": "S 1", "city": "Berlin", "country": "DE"},
    } | changes


def eventually(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Look again and again; fail when the condition does not come true in time."""
    until = time.monotonic() + seconds
    pause = 0.01
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(pause)
        # Many a condition asks a database; what is waited for needs the cores too.
        pause = min(pause * 1.2, 0.1)
