"""What the function is invoked with: the event, and which records are in it."""

from __future__ import annotations

import asyncio
import json
import time
from base64 import b64decode

from infra.local.event_source.batch import FULL_RECORDS
from tests.integration.local_runner.event_source_stage import P0, P1, Stage, play


def test_the_event_has_the_shape_of_an_msk_event() -> None:
    async def scene(stage: Stage) -> None:
        stage.feed.give(
            P0, 15, timestamp=1545084650987, headers=[("trace", b"\x00\x7f\x80\xff")], key=b"k"
        )
        await stage.committed(P0, 16)

    (event,) = play(scene).function.events

    assert event == {
        "eventSource": "aws:kafka",
        "eventSourceArn": "arn:aws:kafka:us-east-1:000000000000:cluster/local/0",
        "bootstrapServers": "127.0.0.1:9092",
        "records": {
            "orders-0": [
                {
                    "topic": "orders",
                    "partition": 0,
                    "offset": 15,
                    "timestamp": 1545084650987,
                    "timestampType": "CREATE_TIME",
                    "key": "aw==",
                    "value": "dmFsdWU=",
                    "headers": [{"trace": [0, 127, -128, -1]}],
                }
            ]
        },
    }


def test_tombstones_absent_keys_and_empty_headers_go_through() -> None:
    async def scene(stage: Stage) -> None:
        stage.feed.give(P0, 0, key=None, value=None, headers=[("none", None)], timestamp_type=1)
        await stage.committed(P0, 1)

    (record,) = play(scene).function.events[0]["records"]["orders-0"]

    assert (record["key"], record["value"]) == (None, None)
    assert record["headers"] == [{"none": []}]
    assert record["timestampType"] == "LOG_APPEND_TIME"


def test_the_value_is_the_record_as_it_was_produced() -> None:
    value = bytes(range(256))

    async def scene(stage: Stage) -> None:
        stage.feed.give(P0, 0, value=value)
        await stage.committed(P0, 1)

    (record,) = play(scene).function.events[0]["records"]["orders-0"]
    assert b64decode(record["value"]) == value


def test_a_record_is_invoked_at_once_without_a_window() -> None:
    async def scene(stage: Stage) -> None:
        began = time.monotonic()
        stage.feed.give(P0, 0)
        await stage.until(lambda: stage.function.events)
        assert time.monotonic() - began < 0.4  # Kafka's default window is half a second

    play(scene)


def test_a_window_gathers_records_from_the_first_one_on() -> None:
    async def scene(stage: Stage) -> None:
        began = time.monotonic()
        stage.feed.give(P0, 0)
        await asyncio.sleep(0.02)
        stage.feed.give(P0, 1)
        stage.feed.give(P1, 7)
        await stage.until(lambda: stage.function.events)
        assert time.monotonic() - began >= 0.1

    stage = play(scene, window_seconds=0.1)

    assert stage.function.batches == [{"orders-0": [0, 1], "orders-1": [7]}]


def test_a_full_batch_does_not_wait_for_its_window() -> None:
    async def scene(stage: Stage) -> None:
        stage.feed.give(P0, 0, 1)
        stage.feed.give(P1, 0)
        await stage.until(lambda: stage.function.events)

    assert play(scene, window_seconds=300, batch_size=3).function.batches == [
        {"orders-0": [0, 1], "orders-1": [0]}
    ]


def test_the_batch_size_counts_all_partitions_and_each_takes_its_turn_first() -> None:
    async def scene(stage: Stage) -> None:
        stage.function.open.clear()
        stage.feed.give(P0, 0)
        await stage.until(lambda: stage.function.running)
        stage.feed.give(P0, *range(1, 6))
        stage.feed.give(P1, 0)
        stage.function.open.set()
        await stage.committed(P0, 6)
        await stage.committed(P1, 1)

    assert play(scene, batch_size=3).function.batches == [
        {"orders-0": [0]},
        {"orders-1": [0], "orders-0": [1, 2]},
        {"orders-0": [3, 4, 5]},
    ]


def test_a_payload_stays_under_six_megabytes() -> None:
    async def scene(stage: Stage) -> None:
        stage.feed.give(P0, *range(12), value=bytes(800_000))
        await stage.committed(P0, 12)

    stage = play(scene, batch_size=100)

    assert [len(batch["orders-0"]) for batch in stage.function.batches] == [5, 5, 2]
    assert max(len(json.dumps(event)) for event in stage.function.events) <= 6 * 1024 * 1024


def test_a_partition_has_one_batch_in_flight_and_stays_in_order() -> None:
    async def scene(stage: Stage) -> None:
        stage.function.open.clear()
        for offset in range(20):
            stage.feed.give(P0, offset)
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        assert stage.function.running == 1
        stage.function.open.set()
        await stage.committed(P0, 20)

    batches = play(scene, batch_size=6, pollers=4).function.batches

    assert [offset for batch in batches for offset in batch["orders-0"]] == list(range(20))


def test_pollers_invoke_beside_each_other() -> None:
    async def scene(stage: Stage) -> None:
        stage.function.open.clear()
        stage.feed.give(P0, 0)
        stage.feed.give(P1, 0)
        await stage.until(lambda: stage.function.running == 2)

    assert play(scene, pollers=5).function.batches == [{"orders-0": [0]}, {"orders-1": [0]}]


def test_a_partition_whose_buffer_is_full_is_paused_until_half_of_it_is_gone() -> None:
    async def scene(stage: Stage) -> None:
        stage.function.open.clear()
        stage.feed.give(P0, 0)
        await stage.until(lambda: stage.function.running)
        stage.feed.give(P0, *range(1, FULL_RECORDS + 1))
        assert stage.feed.paused == {P0}
        stage.function.open.set()
        await stage.committed(P0, FULL_RECORDS + 1)
        assert not stage.feed.paused

    stage = play(scene, batch_size=1000)

    assert stage.feed.resumed_at == {P0: FULL_RECORDS // 2 - 1000 + 1}
