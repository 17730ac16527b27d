"""Parts killed (SIGKILL) in the middle of the Northwind orders: the read side ends up equal."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

import psutil
import psycopg2
import pytest

from infra.local.demo.run import Target, run_demo
from infra.local.operate import invoke
from ordering.read_side.query import READ_MODELS
from tests.running_stack import lambda_client
from tests.shared import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local.demo.steps import Report
    from tests.running_stack import RunningStack

pytestmark = pytest.mark.faults

_AT_WORK_SECONDS = 0.05
_EVENTS = 1450  # of 1639: 830 orders are placed, 809 of them confirmed


def has_events(stack: RunningStack, number: int) -> bool:
    return stack.count("select count(*) from order_events") >= number


def has_compared(stack: RunningStack, orders: int) -> bool:
    log = stack.state / "logs" / "get_order.log"
    return log.exists() and log.read_text().count('"QueryAnswered":1') >= orders


MOMENTS: list[Callable[[RunningStack], bool]] = [
    lambda stack: has_events(stack, 300),
    lambda stack: has_events(stack, 1000),
    lambda stack: has_events(stack, _EVENTS),  # nearly all; the read side still has to follow
    lambda stack: has_compared(stack, 100),
]


async def demo_while_killing(
    stack: RunningStack, victims: Callable[[], list[psutil.Process]]
) -> Report:
    """Run the demo and kill the victims, as they are then, at each of the moments on its way."""
    demo = asyncio.create_task(run_demo(Target.of(stack.state), patience_seconds=90))
    killed = 0
    for moment in MOMENTS:
        await asyncio.to_thread(wait_for, moment, stack, demo)
        if demo.done():
            break
        # The demo stands still while they are looked for, which may take longer than what is left
        # of it, and is at work again when they are killed.
        processes = victims()
        await asyncio.sleep(_AT_WORK_SECONDS)
        killed += await asyncio.to_thread(kill, processes)
    report = await demo
    assert killed >= len(MOMENTS), "the demo was over before anything was killed at its end"
    return report


def wait_for(
    moment: Callable[[RunningStack], bool], stack: RunningStack, demo: asyncio.Task[Report]
) -> None:
    def is_there() -> bool:
        try:
            return demo.done() or moment(stack)
        except psycopg2.OperationalError:  # the database has just been killed
            return False

    eventually(is_there, 120)


def kill(processes: list[psutil.Process]) -> int:
    """Kill them, and return when they are gone: the next victims are those that follow."""
    for process in processes:
        process.kill()
    _, alive = psutil.wait_procs(processes, timeout=60)
    assert not alive
    return len(processes)


def assert_all_equal(report: Report) -> None:
    assert report.differences == []
    assert report.verdict == "830 of 830 orders, 2155 of 2155 lines and all totals equal"


def test_with_relays_killed_their_standbys_go_on_and_everything_is_equal(
    stack: RunningStack,
) -> None:
    owners = 0

    def active_relay() -> list[psutil.Process]:
        nonlocal owners
        owners += 1
        eventually(lambda: stack.log("publish_events").count("owns the shard") >= owners)
        # One of those that are here owns the shard. The schedule starts others with the next
        # minute; here one is started now, and it alone stays.
        here = stack.environments("publish_events")
        lambda_client(stack.record.invoke_url).invoke(
            FunctionName="publish_events", InvocationType="Event", Payload=b'{"shard": 0}'
        )
        eventually(lambda: len(stack.environments("publish_events")) > len(here))
        return here

    assert_all_equal(asyncio.run(demo_while_killing(stack, active_relay)))
    eventually(lambda: stack.log("publish_events").count("owns the shard") > owners)


def test_with_the_projectors_killed_everything_is_equal(stack: RunningStack) -> None:
    def projectors() -> list[psutil.Process]:
        return [process for stem in READ_MODELS for process in stack.environments(stem)]

    report = asyncio.run(demo_while_killing(stack, projectors))
    assert_all_equal(report)
    verified = invoke(stack.record, "verify", {})
    assert (verified["differing"], len(verified["read_models"])) == (0, len(READ_MODELS))


def test_with_the_databases_killed_in_turn_everything_is_equal(stack: RunningStack) -> None:
    parts = itertools.cycle(["write", "read"])
    report = asyncio.run(demo_while_killing(stack, lambda: [stack.child(next(parts))]))
    assert_all_equal(report)


def test_with_the_broker_killed_everything_is_equal(stack: RunningStack) -> None:
    if stack.kafka == "embedded":
        pytest.skip("noida-db acknowledges before it writes; this runs with Apache Kafka")
    report = asyncio.run(demo_while_killing(stack, lambda: [stack.child("Kafka")]))
    assert_all_equal(report)
