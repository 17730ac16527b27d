"""The topic is deleted and made anew: no event of the new one is skipped, and it is told."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import TopicAlreadyExistsError

from infra.local.operate import invoke
from ordering.delivery.envelope import write_watermark
from ordering.read_side.query import READ_MODELS
from tests.shared import eventually

if TYPE_CHECKING:
    from tests.running_stack import RunningStack

pytestmark = pytest.mark.faults

TOPIC = "ordering.orders"


def replace_topic(servers: str) -> dict[int, int]:
    """Replace the topic by one that is longer already, and give its length in each partition."""
    with contextlib.closing(KafkaConsumer(bootstrap_servers=servers)) as consumer:
        partitions = [TopicPartition(TOPIC, n) for n in consumer.partitions_for_topic(TOPIC)]
        ends = {each.partition: end for each, end in consumer.end_offsets(partitions).items()}
    with contextlib.closing(KafkaAdminClient(bootstrap_servers=servers)) as admin:
        admin.delete_topics([TOPIC])

        def is_made() -> bool:
            try:
                topic = {"num_partitions": len(ends), "replication_factor": 1}
                admin.create_topics({TOPIC: topic})
            except TopicAlreadyExistsError:  # the old one, which is still being deleted
                return False
            return True

        eventually(is_made)
    with contextlib.closing(KafkaProducer(bootstrap_servers=servers)) as producer:
        for number, end in ends.items():
            for _ in range(end + 20):
                producer.send(
                    TOPIC, write_watermark(datetime.now(UTC), len(ends)), partition=number
                )
        producer.flush(30)
    return {number: end + 20 for number, end in ends.items()}


def test_no_event_of_a_topic_that_was_replaced_is_skipped(stack: RunningStack) -> None:
    if stack.kafka == "embedded":
        pytest.skip("noida-db gives its topics no ids; this runs with Apache Kafka")
    servers = f"127.0.0.1:{stack.record.ports.kafka}"
    before = [stack.place() for _ in range(20)]
    for each in before:
        assert stack.read(each.body["order_id"], each.token).status == 200
    lengths = replace_topic(servers)
    after = [stack.place() for _ in range(20)]
    for each in after:
        assert stack.read(each.body["order_id"], each.token).status == 200
    assert "was deleted and made anew" in stack.log("runner")

    def all_partitions_have_a_gap() -> bool:
        with stack.read_database() as cursor:
            cursor.execute("select partition, gap_reason from watermarks")
            gaps = cursor.fetchall()
        return bool(gaps) and {reason for _, reason in gaps} == {"topic replaced or cut"}

    eventually(all_partitions_have_a_gap)
    with stack.read_database() as cursor:
        cursor.execute("select projection, partition, as_of from watermarks")
        stands = {(name, number): at for name, number, at in cursor.fetchall()}

    # A watermark comes every two seconds, and moves as_of no more.
    def is_far_beyond() -> bool:
        with stack.read_database() as cursor:
            cursor.execute("select partition, next_offset from watermarks")
            return all(
                next_offset > lengths[number] + 2 for number, next_offset in cursor.fetchall()
            )

    eventually(is_far_beyond, 60)
    with stack.read_database() as cursor:
        cursor.execute("select projection, partition, as_of from watermarks")
        assert {(name, number): at for name, number, at in cursor.fetchall()} == stands

    # Its last as_of may still be younger than five seconds; it gets no younger.
    def is_too_old() -> bool:
        answer = stack.call(
            "GET", "/customers/ALFKI/orders", cache_control="max-age=5", prefer="wait=1"
        )
        return (answer.status, answer.body.get("code")) == (503, "read-model-behind")

    eventually(is_too_old)

    # Filled anew from the log they are fresh again, with the orders of before.
    for name in READ_MODELS:
        asked = {"read_model": name, "who": "test", "reason": "the topic was replaced"}
        invoke(stack.record, "rebuild", asked)
        invoke(stack.record, "switch", asked)
    answer = stack.call(
        "GET", "/customers/ALFKI/orders", cache_control="max-age=5", prefer="wait=9"
    )
    assert answer.status == 200
    verified = invoke(stack.record, "verify", {})["read_models"]
    compared = {each["read_model"]: (each["orders"], each["differing"]) for each in verified}
    assert compared == dict.fromkeys(READ_MODELS, (40, 0))
