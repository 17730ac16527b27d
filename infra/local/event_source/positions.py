"""Where an event-source mapping begins to read: the group's positions, else StartingPosition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kafka import TopicPartition

from infra.local.event_source.records import Partition, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kafka import KafkaConsumer

    from infra.local.template.model import KafkaSource

BROKER_MS: Final = 2_000  # for requests without which there is no going on


def starting_offsets(
    consumer: KafkaConsumer, source: KafkaSource, timestamp: float | None
) -> dict[Partition, int]:
    """Give the offset to begin at for each partition of the mapping's topics.

    `timestamp` is for AT_TIMESTAMP, in seconds since 1970. Raises SourceError when a topic does not
    exist or StartingPosition cannot be followed, KafkaError when the cluster does not answer.
    """
    offsets = {
        partition: consumer.committed(TopicPartition(*partition), timeout_ms=BROKER_MS)
        for partition in _partitions(consumer, source.topics)
    }
    fresh = [TopicPartition(*partition) for partition, known in offsets.items() if known is None]
    if fresh:
        starts = _without_position(consumer, source, fresh, timestamp)
        offsets |= {Partition(*partition): offset for partition, offset in starts.items()}
    return offsets


def _without_position(
    consumer: KafkaConsumer,
    source: KafkaSource,
    partitions: list[TopicPartition],
    timestamp: float | None,
) -> Mapping[TopicPartition, int]:
    beginnings: Mapping[TopicPartition, int] = consumer.beginning_offsets(partitions)
    ends: Mapping[TopicPartition, int] = consumer.end_offsets(partitions)
    match source.starting_position:
        case "TRIM_HORIZON":
            return beginnings
        case "LATEST":
            return ends
        case "AT_TIMESTAMP" if timestamp is not None:
            milliseconds = int(timestamp * 1000)
            found = consumer.offsets_for_times(dict.fromkeys(partitions, milliseconds))
            return {
                partition: at.offset if at else ends[partition] for partition, at in found.items()
            }
        case other:
            raise SourceError(
                f"{source.group}: cannot start at {other}, or its timestamp is missing"
            )


def _partitions(consumer: KafkaConsumer, topics: Iterable[str]) -> list[Partition]:
    partitions = []
    for topic in topics:
        numbers = consumer.partitions_for_topic(topic)
        if not numbers:
            raise SourceError(f"there is no Kafka topic {topic}")
        partitions += [Partition(topic, number) for number in sorted(numbers)]
    return partitions
