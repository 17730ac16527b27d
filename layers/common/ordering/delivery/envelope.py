"""The record on the topic: one CloudEvents 1.0 JSON object (structured mode) per event.

``id`` is ``<order id>/<version>``, ``sequence`` the version, ``partitionkey`` the order id. A
watermark is a record of its own type, on every partition; its ``id`` is
``watermark/<partition>/<as of>``, so that no two are duplicates (CloudEvents 1.0: same ``source``
and ``id``). Written here for the relay, which does not import what events mean; read in
``published.py``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

CONTENT_TYPE: Final = "application/cloudevents+json"
SOURCE: Final = "ordering"
WATERMARK_TYPE: Final = "ordering.watermark.v1"
WATERMARK_SCHEMA: Final = "urn:ordering:events:Watermark:1"


def write_event(
    *,
    order_id: str,
    version: int,
    event_type: str,
    schema_version: int,
    data: str,
    metadata: Mapping[str, Any],
    recorded_at: datetime,
) -> bytes:
    """Return the record's value. ``data`` is JSON already and goes out as it is."""
    attributes = {
        "specversion": "1.0",
        "id": f"{order_id}/{version}",
        "source": SOURCE,
        "type": f"ordering.order.{event_type}.v{schema_version}",
        "subject": order_id,
        "time": recorded_at.isoformat(),
        "datacontenttype": "application/json",
        "dataschema": f"urn:ordering:events:{event_type}:{schema_version}",
        "sequence": str(version),
        "partitionkey": order_id,
        "actor": metadata.get("actor") or "",
        "correlationid": metadata.get("correlation_id") or "",
        "causationid": metadata.get("causation_id") or "",
        "traceparent": metadata.get("traceparent") or "",
    }
    return f'{json.dumps(attributes, ensure_ascii=False)[:-1]}, "data": {data}}}'.encode()


def write_watermark(
    as_of: datetime, partitions: int, *, partition: int = 0, withheld: int = 0
) -> bytes:
    """Return the value of a watermark record for one of the topic's ``partitions``.

    ``withheld`` counts the orders whose next event Kafka refused, so that events of theirs which
    were recorded before ``as_of`` are missing.
    """
    data: dict[str, object] = {"as_of": as_of.isoformat(), "partitions": partitions}
    if withheld:
        data["withheld"] = withheld
    return json.dumps(
        {
            "specversion": "1.0",
            "id": f"watermark/{partition}/{as_of.isoformat()}",
            "source": SOURCE,
            "type": WATERMARK_TYPE,
            "time": as_of.isoformat(),
            "datacontenttype": "application/json",
            "dataschema": WATERMARK_SCHEMA,
            "data": data,
        }
    ).encode()
