"""What becomes of a batch that fails: tried again, bisected, reported in part, or given up."""

from __future__ import annotations

import asyncio
import time

import pytest

from infra.local.event_source import retry
from infra.local.event_source.failure_destinations import (
    DestinationError,
)
from infra.local.event_source.records import encode
from infra.local.lambdas.invocation import Invocation, RequestTooLarge, Throttled
from tests.integration.local_runner.event_source_stage import (
    DONE,
    FAILED,
    P0,
    P1,
    Answer,
    Event,
    Stage,
    a_record,
    failing,
    failures,
    offsets_of,
    play,
)


@pytest.fixture(autouse=True)
def _short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_BACKOFF_SECONDS", 0.002)
    monkeypatch.setattr(retry, "LONGEST_BACKOFF_SECONDS", 0.01)


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
