"""The event-source mapping's rules, with a feed and a function that the test plays."""

from __future__ import annotations

import asyncio
import json
import time
from base64 import b64decode
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from kafka.consumer.fetcher import ConsumerRecord

from infra.local.event_source import pollers, retry, source
from infra.local.event_source.batch import FULL_RECORDS
from infra.local.event_source.failure_destinations import (
    DestinationError,
    FailedBatch,
    FailureDestinations,
)
from infra.local.event_source.records import Partition, encode
from infra.local.event_source.source import KafkaEventSource
from infra.local.lambdas.invocation import Invocation, RequestTooLarge, Throttled
from infra.local.template.model import KafkaSource

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from infra.local.event_source.records import Fetched

P0, P1 = Partition("orders", 0), Partition("orders", 1)
Event = dict[str, Any]
Answer = Invocation | Exception
DONE = Invocation(200, b"null", None, "request-1")
FAILED = Invocation(200, b'{"errorMessage": "no"}', "Unhandled", "request-2")


def a_record(partition: Partition, offset: int, **fields: object) -> ConsumerRecord:
    given: dict[str, Any] = {
        "topic": partition.topic,
        "partition": partition.number,
        "leader_epoch": 0,
        "offset": offset,
        "timestamp": int(time.time() * 1000),
        "timestamp_type": 0,
        "key": b"key",
        "value": b"value",
        "headers": [],
        "checksum": None,
        "serialized_key_size": 3,
        "serialized_value_size": 5,
        "serialized_header_size": 0,
    }
    return ConsumerRecord(**(given | fields))


class Feed:
    """Plays Kafka: `give` delivers records, `committed` has the group's positions."""

    def __init__(self, *partitions: Partition) -> None:
        self.partitions = partitions
        self.committed: dict[Partition, int] = {}
        self.paused: set[Partition] = set()
        self.opened = 0
        self.resumed_at: dict[Partition, int] = {}  # the position committed by then

    async def open(self) -> Sequence[Partition]:
        self.opened += 1
        return self.partitions

    def has_opened(self, times: int) -> bool:
        return self.opened == times

    def begin(self, deliver: Callable[[Fetched], None]) -> None:
        self.deliver = deliver

    def give(self, partition: Partition, *offsets: int, **fields: object) -> None:
        records = [encode(a_record(partition, offset, **fields)) for offset in offsets]
        self.deliver([(partition, records)])

    def pause(self, partition: Partition) -> None:
        self.paused.add(partition)

    def resume(self, partition: Partition) -> None:
        self.paused.remove(partition)
        self.resumed_at[partition] = self.committed[partition]

    def commit(self, partition: Partition, offset: int) -> None:
        assert offset >= self.committed.get(partition, 0), "positions only go forward"
        self.committed[partition] = offset

    async def close(self) -> None:
        pass


class Function:
    """Plays the function: answers as told, and keeps what it was invoked with."""

    def __init__(self, answer: Callable[[Event], Answer] = lambda _: DONE) -> None:
        self.answer = answer
        self.events: list[Event] = []
        self.running = 0
        self.open = asyncio.Event()
        self.open.set()

    async def __call__(self, payload: bytes) -> Invocation:
        event = json.loads(payload)
        self.events.append(event)
        self.running += 1
        await asyncio.sleep(0)
        await self.open.wait()
        self.running -= 1
        answer = self.answer(event)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def batches(self) -> list[dict[str, list[int]]]:
        """The offsets of each invocation by partition."""
        return [offsets_of(event) for event in self.events]


class Destinations(FailureDestinations):
    """Plays the on-failure destination; refuses with each of `failures` first."""

    def __init__(self, failures: list[Exception]) -> None:
        super().__init__(aws_endpoint="127.0.0.1:1", bootstrap_servers="127.0.0.1:1")
        self.failures = failures
        self.batches: list[FailedBatch] = []

    async def deliver(self, destination: str, batch: FailedBatch) -> None:
        assert destination == "arn:aws:s3:::failed"
        if self.failures:
            raise self.failures.pop()
        self.batches.append(batch)


class Stage:
    """A started mapping with everything around it."""

    def __init__(
        self,
        feed: Feed,
        function: Function,
        destinations: Destinations,
        **settings: Any,  # noqa: ANN401 - any field of KafkaSource
    ) -> None:
        self.feed, self.function, self.destinations = feed, function, destinations
        self.lines: list[str] = []
        self.errors: list[str] = []
        given: dict[str, Any] = {
            "topics": ("orders",),
            "group": "order-details",
            "starting_position": "TRIM_HORIZON",
            "stream_arn": "arn:aws:kafka:us-east-1:000000000000:cluster/local/0",
            "window_seconds": 0,
        }
        self.source = KafkaEventSource(
            "OrderDetails",
            KafkaSource(**(given | settings)),
            bootstrap_servers="127.0.0.1:9092",
            invoke=function,
            destinations=destinations,
            log=self.lines.append,
            log_error=self.errors.append,
            feed=lambda: feed,
        )

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110 - any condition, of anybody's state
                await asyncio.sleep(0.001)

    async def committed(self, partition: Partition, offset: int) -> None:
        await self.until(lambda: self.feed.committed.get(partition) == offset)


def offsets_of(event: Event) -> dict[str, list[int]]:
    return {
        name: [record["offset"] for record in records] for name, records in event["records"].items()
    }


def failures(*items: tuple[Any, Any]) -> Invocation:
    body = [{"itemIdentifier": {"partition": name, "offset": offset}} for name, offset in items]
    return Invocation(200, json.dumps({"batchItemFailures": body}).encode(), None, "request-3")


def play(
    scene: Callable[[Stage], Coroutine[Any, Any, None]],
    *,
    answer: Callable[[Event], Answer] = lambda _: DONE,
    partitions: Sequence[Partition] = (P0, P1),
    destination_failures: Sequence[Exception] = (),
    **settings: Any,  # noqa: ANN401 - any field of KafkaSource
) -> Stage:
    async def run() -> Stage:
        stage = Stage(
            Feed(*partitions),
            Function(answer),
            Destinations(list(destination_failures)),
            **settings,
        )
        await stage.source.start()
        try:
            await scene(stage)
        finally:
            stage.function.open.set()
            await stage.source.close()
        return stage

    return asyncio.run(run())


@pytest.fixture(autouse=True)
def _short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_BACKOFF_SECONDS", 0.002)
    monkeypatch.setattr(retry, "LONGEST_BACKOFF_SECONDS", 0.01)


# ── the event ───────────────────────────────────────────────────────────────────────────────────


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


# ── composing ───────────────────────────────────────────────────────────────────────────────────


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


# ── failures ────────────────────────────────────────────────────────────────────────────────────


def failing(times: int, answer: Answer = FAILED) -> Callable[[Event], Answer]:
    left = [answer] * times

    return lambda _: left.pop() if left else DONE


@pytest.mark.parametrize("failure", [FAILED, RequestTooLarge("too large"), OSError("broken")])
def test_a_batch_that_fails_is_tried_again_as_it_was(failure: Answer) -> None:
    async def scene(stage: Stage) -> None:
        stage.feed.give(P0, 0, 1)
        await stage.until(lambda: stage.function.events)
        stage.feed.give(P0, 2)
        await stage.committed(P0, 3)

    stage = play(scene, answer=failing(3, failure))

    assert stage.function.batches == [{"orders-0": [0, 1]}] * 4 + [{"orders-0": [2]}]


def test_a_partition_that_keeps_failing_does_not_hold_up_another() -> None:
    def answer(event: Event) -> Answer:
        return FAILED if "orders-0" in event["records"] else DONE

    async def scene(stage: Stage) -> None:
        stage.feed.deliver(
            [(P0, [encode(a_record(P0, 0))]), (P1, [encode(a_record(P1, 0))])],
        )
        await stage.committed(P1, 1)
        stage.feed.give(P1, 1)
        await stage.committed(P1, 2)
        assert P0 not in stage.feed.committed

    play(scene, answer=answer)


def test_the_backoff_doubles_to_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    real = asyncio.timeout

    def observed(seconds: float) -> asyncio.Timeout:
        waits.append(seconds)
        return real(seconds)

    monkeypatch.setattr(asyncio, "timeout", observed)
    monkeypatch.setattr(retry, "FIRST_BACKOFF_SECONDS", 0.001)
    monkeypatch.setattr(retry, "LONGEST_BACKOFF_SECONDS", 0.003)

    async def scene(stage: Stage) -> None:
        stage.feed.give(P0, 0)
        while stage.feed.committed.get(P0) != 1:  # noqa: ASYNC110 - asyncio.timeout is observed here
            await asyncio.sleep(0.001)

    play(scene, answer=failing(4))

    assert [seconds for seconds in waits if seconds] == [0.001, 0.002, 0.003, 0.003]


def test_throttling_counts_as_no_attempt() -> None:
    async def scene(stage: Stage) -> None:
        stage.feed.give(P0, 0)
        await stage.committed(P0, 1)

    stage = play(
        scene,
        answer=failing(9, Throttled("busy")),
        retries=0,
        on_failure="arn:aws:s3:::failed",
    )

    assert len(stage.function.events) == 10
    assert stage.destinations.batches == []


def test_an_answer_of_429_is_throttling_too() -> None:
    async def scene(stage: Stage) -> None:
        stage.feed.give(P0, 0)
        await stage.committed(P0, 1)

    stage = play(scene, answer=failing(2, Invocation(429, b"", None, "r")), retries=0)

    assert len(stage.function.events) == 3


def test_after_the_last_attempt_the_batch_goes_to_the_destination() -> None:
    async def scene(stage: Stage) -> None:
        stage.feed.give(P0, 0, 1)
        await stage.committed(P0, 2)
        stage.feed.give(P0, 2)
        await stage.committed(P0, 3)

    stage = play(scene, answer=failing(3), retries=2, on_failure="arn:aws:s3:::failed")

    assert stage.function.batches == [{"orders-0": [0, 1]}] * 3 + [{"orders-0": [2]}]
    (failed,) = stage.destinations.batches
    assert [record.offset for record in failed.records] == [0, 1]
    assert (failed.condition, failed.attempts) == ("RetryAttemptsExhausted", 3)
    assert (failed.request_id, failed.function_error) == ("request-2", "Unhandled")
    assert any("OrderDetails: orders-0, offsets 0 to 1" in line for line in stage.lines)


def test_endless_retries_become_ten_where_there_is_a_destination() -> None:
    async def scene(stage: Stage) -> None:
        stage.feed.give(P0, 0)
        await stage.committed(P0, 1)

    stage = play(scene, answer=lambda _: FAILED, retries=-1, on_failure="arn:aws:s3:::failed")

    assert len(stage.function.events) == 11
    assert len(stage.destinations.batches) == 1


def test_without_a_destination_a_batch_is_dropped_and_said_so() -> None:
    async def scene(stage: Stage) -> None:
        stage.feed.give(P0, 0)
        await stage.committed(P0, 1)

    stage = play(scene, answer=lambda _: FAILED, retries=0)

    assert any("dropped" in line for line in stage.lines)


@pytest.mark.parametrize("failure", [DestinationError("not now"), RuntimeError("not now")])
def test_a_destination_that_fails_loses_nothing(failure: Exception) -> None:
    async def scene(stage: Stage) -> None:
        stage.feed.give(P0, 0)
        await stage.committed(P0, 1)

    stage = play(
        scene,
        answer=lambda _: FAILED,
        destination_failures=[failure] * 2,
        retries=0,
        on_failure="arn:aws:s3:::failed",
    )

    assert len(stage.function.events) == 3, "it is tried again each time"
    assert len(stage.destinations.batches) == 1
    assert any("not now" in line for line in stage.lines)


@pytest.mark.parametrize("broken", ["compose", "PartitionRetry"])
def test_a_poller_that_breaks_begins_again_at_the_group_s_positions(
    broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = getattr(pollers, broken)
    problems = [RuntimeError("unforeseen"), RuntimeError("and again")]

    def breaks(*given: Any, **named: Any) -> Any:  # noqa: ANN401 - stands for either
        if problems:
            raise problems.pop()
        return real(*given, **named)

    monkeypatch.setattr(pollers, broken, breaks)
    monkeypatch.setattr(source, "FIRST_RESTART_SECONDS", 0.001)

    async def scene(stage: Stage) -> None:
        for begun in (1, 2, 3):
            await stage.until(partial(stage.feed.has_opened, begun))
            stage.feed.give(P0, 0, 1)
        await stage.committed(P0, 2)
        stage.feed.give(P0, 2)
        await stage.committed(P0, 3)

    stage = play(scene, answer=failing(3 if broken == "PartitionRetry" else 0))

    assert [("order-details" in line, "unforeseen" in line) for line in stage.errors] == [
        (True, False),
        (True, True),
    ]


def test_bisecting_finds_the_one_record_that_fails() -> None:
    def answer(event: Event) -> Answer:
        return FAILED if 2 in offsets_of(event)["orders-0"] else DONE

    async def scene(stage: Stage) -> None:
        stage.feed.give(P0, *range(5))
        await stage.committed(P0, 5)

    stage = play(scene, answer=answer, bisect=True, retries=1, on_failure="arn:aws:s3:::failed")

    assert [batch["orders-0"] for batch in stage.function.batches] == [
        [0, 1, 2, 3, 4],
        [0, 1],
        [2, 3, 4],
        [2],
        [2],
        [3, 4],
    ]
    (failed,) = stage.destinations.batches
    assert [record.offset for record in failed.records] == [2]


def test_records_that_are_too_old_are_not_invoked_but_given_up() -> None:
    async def scene(stage: Stage) -> None:
        old = encode(a_record(P0, 0, timestamp=int((time.time() - 61) * 1000)))
        stage.feed.deliver([(P0, [old, encode(a_record(P0, 1))])])
        await stage.committed(P0, 2)

    stage = play(scene, max_age_seconds=60, on_failure="arn:aws:s3:::failed")

    assert stage.function.batches == [{"orders-0": [1]}]
    (failed,) = stage.destinations.batches
    assert (failed.condition, failed.attempts) == ("RecordAgeExceeded", 0)


def test_records_that_become_too_old_while_they_fail_are_given_up() -> None:
    async def scene(stage: Stage) -> None:
        stage.feed.give(P0, 0, timestamp=int((time.time() - 59.95) * 1000))
        await stage.committed(P0, 1)

    stage = play(
        scene, answer=lambda _: FAILED, max_age_seconds=60, on_failure="arn:aws:s3:::failed"
    )

    assert len(stage.function.events) > 1
    assert stage.destinations.batches[0].condition == "RecordAgeExceeded"


# ── partial batch responses ─────────────────────────────────────────────────────────────────────


def test_a_partition_goes_on_from_the_offset_that_was_reported() -> None:
    answers = [failures(("orders-0", 2)), DONE]

    async def scene(stage: Stage) -> None:
        stage.function.open.clear()
        stage.feed.give(P0, *range(4))
        stage.feed.give(P1, 9)
        stage.function.open.set()
        await stage.committed(P0, 4)
        assert stage.feed.committed == {P0: 4, P1: 10}

    stage = play(scene, answer=lambda _: answers.pop(0), partial_responses=True)

    assert stage.function.batches == [
        {"orders-0": [0, 1, 2, 3], "orders-1": [9]},
        {"orders-0": [2, 3]},
    ]


def test_what_is_before_the_reported_offset_is_committed_at_once() -> None:
    async def scene(stage: Stage) -> None:
        stage.feed.give(P0, *range(4))
        await stage.committed(P0, 2)
        await stage.until(lambda: len(stage.function.events) > 3)
        assert stage.feed.committed[P0] == 2

    play(scene, answer=lambda _: failures(("orders-0", 2)), partial_responses=True)


def test_of_several_reported_offsets_the_lowest_counts() -> None:
    answers = [failures(("orders-0", 3), ("orders-0", 1)), DONE]

    async def scene(stage: Stage) -> None:
        stage.feed.give(P0, *range(4))
        await stage.committed(P0, 4)

    stage = play(scene, answer=lambda _: answers.pop(0), partial_responses=True)

    assert stage.function.batches[1] == {"orders-0": [1, 2, 3]}


def test_attempts_are_counted_per_record_that_is_reported() -> None:
    answers = [failures(("orders-0", offset)) for offset in (0, 1, 2, 2)]

    async def scene(stage: Stage) -> None:
        stage.feed.give(P0, *range(4))
        await stage.committed(P0, 4)

    stage = play(
        scene,
        answer=lambda _: answers.pop(0),
        partial_responses=True,
        retries=1,
        on_failure="arn:aws:s3:::failed",
    )

    assert [batch["orders-0"][0] for batch in stage.function.batches] == [0, 0, 1, 2]
    (failed,) = stage.destinations.batches
    assert [record.offset for record in failed.records] == [2, 3]


@pytest.mark.parametrize(
    "malformed",
    [
        failures(("orders-0", 99)),
        failures(("orders-7", 0)),
        failures(("orders-0", "0")),
        failures(("orders-0", False)),
        failures((None, 0)),
        Invocation(200, b'{"batchItemFailures": [{"itemIdentifier": "orders-0"}]}', None, "r"),
        Invocation(200, b'{"batchItemFailures": [{}]}', None, "r"),
        Invocation(200, b'{"batchItemFailures": 1}', None, "r"),
        Invocation(200, b'"ok"', None, "r"),
        Invocation(200, b"not JSON", None, "r"),
    ],
)
def test_a_malformed_response_means_that_the_whole_batch_is_tried_again(
    malformed: Invocation,
) -> None:
    answers = [malformed, DONE]

    async def scene(stage: Stage) -> None:
        stage.feed.give(P0, 0, 1)
        await stage.committed(P0, 2)

    stage = play(scene, answer=lambda _: answers.pop(0), partial_responses=True)

    assert stage.function.batches == [{"orders-0": [0, 1]}] * 2
    assert any("malformed" in line for line in stage.lines)


@pytest.mark.parametrize(
    "answer",
    [b"", b"null", b"{}", b'""', b'{"batchItemFailures": []}', b'{"batchItemFailures":null}'],
)
def test_an_empty_response_means_success(answer: bytes) -> None:
    async def scene(stage: Stage) -> None:
        stage.feed.give(P0, 0)
        await stage.committed(P0, 1)

    stage = play(scene, answer=lambda _: Invocation(200, answer, None, "r"), partial_responses=True)

    assert len(stage.function.events) == 1


def test_reported_failures_mean_nothing_unless_the_mapping_asks_for_them() -> None:
    async def scene(stage: Stage) -> None:
        stage.feed.give(P0, 0)
        await stage.committed(P0, 1)

    stage = play(scene, answer=lambda _: failures(("orders-0", 0)))

    assert len(stage.function.events) == 1


# ── closing ─────────────────────────────────────────────────────────────────────────────────────


def test_closing_lets_an_invocation_end_and_commits_it() -> None:
    async def scene(stage: Stage) -> None:
        stage.function.open.clear()
        stage.feed.give(P0, 0)
        await stage.until(lambda: stage.function.running)
        asyncio.get_running_loop().call_later(0.02, stage.function.open.set)

    async def scene_and_close(stage: Stage) -> None:
        await scene(stage)
        await stage.source.close()
        assert stage.feed.committed == {P0: 1}

    play(scene_and_close)


def test_closing_does_not_wait_for_a_batch_that_keeps_failing() -> None:
    async def scene(stage: Stage) -> None:
        stage.feed.give(P0, 0)
        await stage.until(lambda: len(stage.function.events) > 2)
        began = time.monotonic()
        await stage.source.close()
        assert time.monotonic() - began < 1.5  # two seconds is what others get
        assert stage.feed.committed == {}

    play(scene, answer=lambda _: FAILED)


def test_a_mapping_that_is_not_enabled_does_nothing() -> None:
    async def scene(stage: Stage) -> None:
        assert not hasattr(stage.feed, "deliver")

    play(scene, enabled=False)


def test_the_value_is_the_record_as_it_was_produced() -> None:
    value = bytes(range(256))

    async def scene(stage: Stage) -> None:
        stage.feed.give(P0, 0, value=value)
        await stage.committed(P0, 1)

    (record,) = play(scene).function.events[0]["records"]["orders-0"]
    assert b64decode(record["value"]) == value
