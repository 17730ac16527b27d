"""One record that Kafka refuses: named and counted, and only its order waits."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from tests.shared import an_order, eventually

if TYPE_CHECKING:
    from tests.running_stack import RunningStack

pytestmark = pytest.mark.faults

TOPIC = "ordering.orders"
LINE = {
    "sku": "S" * 60,
    "name": "N" * 190,
    "quantity": 1,
    "unit_price": {"amount": "9.99", "currency": "EUR"},
}


def set_largest_record(servers: str, size: int) -> None:
    admin = KafkaAdminClient(bootstrap_servers=servers)
    limit = {"max.message.bytes": str(size)}
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, TOPIC, limit)])
    admin.close()


def copies(servers: str) -> Counter[str]:
    """Count each event's records in the topic, by its CloudEvents id."""
    consumer = KafkaConsumer(bootstrap_servers=servers, consumer_timeout_ms=2_000)
    try:
        partitions = [TopicPartition(TOPIC, n) for n in consumer.partitions_for_topic(TOPIC)]
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions)
        consumer.seek_to_beginning()
        counted: Counter[str] = Counter()
        for record in consumer:
            if record.key is not None:
                counted[json.loads(record.value)["id"]] += 1
            if all(consumer.position(each) >= ends[each] for each in partitions):
                break
        return counted
    finally:
        consumer.close()


def test_only_the_order_of_a_refused_record_waits_until_kafka_takes_it(
    stack: RunningStack,
) -> None:
    if stack.kafka == "embedded":
        pytest.skip("noida-db has no limit of a topic's own; this runs with Apache Kafka")
    servers = f"127.0.0.1:{stack.record.ports.kafka}"
    before = stack.place()
    assert stack.read(before.body["order_id"], before.token).status == 200
    set_largest_record(servers, 60_000)
    large = stack.call("POST", "/orders", an_order(lines=[LINE] * 300))
    assert large.status == 201
    order = large.body["order_id"]
    noted = stack.call("POST", f"/orders/{order}/notes", {"text": "behind it"})
    others = [stack.place() for _ in range(20)]
    for other in others:
        assert stack.read(other.body["order_id"], other.token).status == 200
    (refused,) = [
        line
        for line in map(json.loads, stack.log("publish_events").splitlines())
        if "EventsRefused" in line
    ]
    assert (refused["order_id"], refused["version"], refused["level"]) == (order, 1, "ERROR")
    assert refused["bytes"] > 60_000
    # Watermarks go on, and answers tell that an order is missing in them.
    answer = stack.call(
        "GET", "/customers/ALFKI/orders", cache_control="max-age=2", prefer="wait=10"
    )
    assert (answer.status, answer.headers["read-model-parked"]) == (200, "1")
    set_largest_record(servers, 1_048_588)
    eventually(lambda: stack.read(order, noted.token, wait=5).status == 200, 60)
    in_topic = copies(servers)
    expected = [before.body["order_id"], *(other.body["order_id"] for other in others)]
    assert {f"{each}/1": in_topic[f"{each}/1"] for each in expected} == {
        f"{each}/1": 1 for each in expected
    }, "neighbours of a refused record are in the topic once"
    assert (in_topic[f"{order}/1"], in_topic[f"{order}/2"]) == (1, 1)
