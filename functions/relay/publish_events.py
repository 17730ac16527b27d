"""Each minute, per shard: the outbox goes to Kafka in order, until the next relay takes over."""

from __future__ import annotations

import signal
import sys
import time
import uuid
from typing import TYPE_CHECKING, Any, Final, Protocol

from ordering.delivery.outbox import listen
from ordering.delivery.relay import Relay
from ordering.delivery.topic import Topic
from ordering.runtime.extension import register_extension
from ordering.runtime.postgres import Database
from ordering.runtime.settings import Relay as Settings
from ordering.runtime.settings import function_stem, read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

_SPARE_SECONDS: Final = 15
"""Enough for what was begun to end before Lambda ends it."""

settings: Final = read_settings(Settings)
topic: Final = Topic(settings)
register_extension(function_stem())


class Context(Protocol):
    """What is used of Lambda's context object."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int: ...  # noqa: D102 - Lambda's own name and meaning


def handler(event: Mapping[str, Any], context: Context) -> dict[str, int]:
    """Relay the shard that the schedule's input names; the answer counts the events published."""
    # When the environment is shut down, the shard is handed over at once instead of at the
    # lease's end (register_extension has Lambda send the signal).
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    shard = int(event["shard"])
    database = Database(
        settings.write_database,
        settings.database_authentication,
        function_stem(),
        on_connect=listen(shard),
    )
    # Lambda may start one asynchronous invocation twice, under one request id.
    owner = f"{context.aws_request_id}/{uuid.uuid4()}"
    relay = Relay(
        database,
        topic,
        shard=shard,
        owner=owner,
        watermark_seconds=float(settings.watermark_seconds),
    )
    stop_at = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - _SPARE_SECONDS
    try:
        relay.run(stop_at)
    finally:
        database.close()
    return {"shard": shard, "events_published": relay.events_published}
