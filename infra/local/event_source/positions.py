"""Where an event-source mapping begins to read: the group's positions, else StartingPosition.

With each position the topic's id is kept. A topic that was deleted and made anew under its name has
another id, and numbers its records anew: an offset of the old one says nothing about it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kafka import TopicPartition
from kafka.structs import OffsetAndMetadata

from infra.local.event_source.consumer import BROKER_MS, topic_id
from infra.local.event_source.records import Partition, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from kafka import KafkaConsumer

    from infra.local.template.model import KafkaSource


class TopicReplacedError(Exception):
    """The topic is another one than at the start, under the same name."""


def starting_offsets(
    consumer: KafkaConsumer,
    source: KafkaSource,
    timestamp: float | None,
    log_replaced: Callable[[str], object],
) -> dict[Partition, int]:
    """Return the offset to begin at for each partition of the mapping's topics.

    A topic that has replaced the one of the group's positions is read from its beginning, since all
    of it is new; `log_replaced` takes the line that says so. `timestamp` is for AT_TIMESTAMP, in
    seconds since 1970. Raises SourceError when a topic does not exist or StartingPosition cannot be
    followed, KafkaError when the cluster does not answer.
    """
    offsets: dict[Partition, int] = {}
    fresh: list[TopicPartition] = []
    replaced: list[TopicPartition] = []
    for each in _partitions(consumer, source.topics):
        partition = TopicPartition(*each)
        kept = consumer.committed(partition, metadata=True, timeout_ms=BROKER_MS)
        if kept is None:
            fresh.append(partition)
        elif _is_other(kept.metadata, topic_id(consumer, partition.topic)):
            replaced.append(partition)
        else:
            offsets[each] = kept.offset
    if replaced:
        for topic in sorted({partition.topic for partition in replaced}):
            log_replaced(
                f"topic {topic} was deleted and made anew since {source.group} read it: its "
                "records are read from the oldest on, and what the old one still had is lost"
            )
        beginnings = consumer.beginning_offsets(replaced)
        offsets |= {Partition(*partition): offset for partition, offset in beginnings.items()}
    if fresh:
        starts = _without_position(consumer, source, fresh, timestamp)
        offsets |= {Partition(*partition): offset for partition, offset in starts.items()}
    return offsets


def require_same_topics(consumer: KafkaConsumer, known: dict[str, str]) -> None:
    """Raise TopicReplacedError if a topic has another id than `known`, where new ones are kept."""
    for topic, before in known.items():
        now = topic_id(consumer, topic)
        if _is_other(before, now):
            raise TopicReplacedError(f"topic {topic} was deleted and made anew")
        known[topic] = before or now


def kept_positions(
    offsets: Mapping[Partition, int], topic_ids: Mapping[str, str]
) -> dict[TopicPartition, OffsetAndMetadata]:
    """Return what is committed for positions: each with its topic's id."""
    return {
        TopicPartition(*partition): OffsetAndMetadata(
            offset, topic_ids.get(partition.topic, ""), -1
        )
        for partition, offset in offsets.items()
    }


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


def _is_other(before: str, now: str) -> bool:
    """Return whether two ids are those of two topics; one that is not known says nothing."""
    return bool(before and now and before != now)
