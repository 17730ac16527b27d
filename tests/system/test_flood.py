"""A flood on one query, and callers that wait: what is left for everybody else."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import TYPE_CHECKING

from infra.contracts.functions import read_template
from tests.running_stack import leave_to_apache
from tests.shared import eventually

if TYPE_CHECKING:
    import pytest

    from tests.running_stack import RunningStack

FLOODED = "/sales/products?from=2020-01-01&to=2020-12-31&currency=EUR&order_by=revenue"
(ROUTE,) = read_template().functions["GetTopProducts"].routes
WAITING = int(read_template().functions["GetOrder"].environment["WAITING_CALLERS"])


# A process of its own: what sends a flood must not share an interpreter with who measures.
_FLOOD = """
import asyncio, collections, json, sys, aiohttp
url, token, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
counts, hints = collections.Counter(), set()
async def flood(session, until):
    while asyncio.get_running_loop().time() < until:
        async with session.get(url, headers={"Authorization": f"Bearer {token}"}) as answer:
            await answer.read()
            counts[answer.status] += 1
            if answer.status == 429:
                hints.add(answer.headers.get("Retry-After"))
async def main():
    async with aiohttp.ClientSession() as session:
        until = asyncio.get_running_loop().time() + seconds
        await asyncio.gather(*(flood(session, until) for _ in range(64)))
    print(json.dumps({"counts": counts, "hints": sorted(map(str, hints))}))
asyncio.run(main())
"""
_SECONDS = 4


def test_a_flood_on_one_query_leaves_the_others_alone(
    stack: RunningStack, capsys: pytest.CaptureFixture[str]
) -> None:
    leave_to_apache(stack)
    assert ROUTE.throttle is not None
    order = stack.place()
    path = f"/orders/{order.body['order_id']}"
    stack.read(order.body["order_id"], order.token)

    def others(seconds: float) -> list[float]:
        took = []
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            begun = time.monotonic()
            answer = stack.call("GET", path)
            took.append(time.monotonic() - begun)
            assert answer.status == 200, answer
        return took

    before = others(1)
    command = [sys.executable, "-c", _FLOOD, stack.url + FLOODED, stack.jwt(), str(_SECONDS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as flood:
        meanwhile = others(_SECONDS - 1)
        output, _ = flood.communicate(timeout=60)
    told = json.loads(output)
    answered, refused = told["counts"]["200"], told["counts"].get("429", 0)
    assert told["counts"].keys() == {"200", "429"}, told
    assert told["hints"] == ["1"]
    # What the route takes: its burst, and its rate meanwhile.
    assert answered <= ROUTE.throttle.burst + ROUTE.throttle.rate * (_SECONDS + 2)
    # It recovers within what Retry-After says.
    time.sleep(1)
    assert stack.call("GET", FLOODED).status == 200
    with capsys.disabled():
        print(  # noqa: T201 - the figures
            f"\nothers, ms: {median(before) * 1000:.1f} before, {median(meanwhile) * 1000:.1f}"
            f" during the flood, of which {answered} were answered and {refused} refused"
        )


def test_callers_that_wait_leave_the_short_ones_alone(stack: RunningStack) -> None:
    leave_to_apache(stack)
    order = stack.place()
    path = f"/orders/{order.body['order_id']}"
    first = stack.read(order.body["order_id"], order.token)

    def wait(_: int) -> int:
        return stack.call("GET", path, prefer="wait=12", if_none_match=first.headers["etag"]).status

    with ThreadPoolExecutor(WAITING + 10) as pool:
        waiting = [pool.submit(wait, number) for number in range(WAITING + 10)]
        # Those beyond the places are answered at once, without their wait.
        eventually(lambda: any(each.done() for each in waiting), 20)
        for _ in range(20):
            assert stack.call("GET", path).status == 200
        assert not all(each.done() for each in waiting), "nobody waits any more"
        assert {each.result() for each in waiting} == {304}
