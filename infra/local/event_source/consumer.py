"""The consumer of an event-source mapping, as kafka-python has it."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from kafka import KafkaConsumer

from infra.local.event_source.pace import LONG_POLL_MS

BROKER_MS: Final = 2_000  # for requests without which there is no going on
RECONNECT_SECONDS: Final = 0.5
_METADATA_MS: Final = 10_000  # a topic that was replaced is noticed after so long at the latest
_UNKNOWN: Final = UUID(int=0)  # of a topic that does not exist


def open_consumer(servers: list[str], group: str) -> KafkaConsumer:
    """Connect. Raises KafkaError when no server answers."""
    return KafkaConsumer(
        bootstrap_servers=servers,
        client_id=group,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        allow_auto_create_topics=False,
        fetch_min_bytes=1,
        fetch_max_wait_ms=LONG_POLL_MS,
        metadata_max_age_ms=_METADATA_MS,
        bootstrap_timeout_ms=BROKER_MS,
        reconnect_backoff_max_ms=int(RECONNECT_SECONDS * 1000),
    )


def topic_id(consumer: KafkaConsumer, topic: str) -> str:
    """Return the id that the consumer last heard of for a topic; empty where it knows none."""
    known = consumer._cluster.topic_id(topic)  # noqa: SLF001 - there is no public way to it
    return "" if known in {None, _UNKNOWN} else str(known)


def metric(consumer: KafkaConsumer, name: str) -> Any:  # noqa: ANN401 - kafka-python has no types
    """Return one of the consumer's own measurements; its `value()` is always the present one."""
    metrics = consumer.metrics(raw=True)
    return next(each for key, each in metrics.items() if key.name == name)
