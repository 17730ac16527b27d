"""Where the time goes on a warm stack: `make bench-latency` beside a running `make up`.

One client, one request at a time. Each row adds one part of the way to the row above it, so their
differences say what that part costs. Times are in milliseconds, as the client sees them.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from kafka import KafkaConsumer, TopicPartition

from infra.local.gateway.issuer import load_or_create_key, mint_token
from infra.local.settings import AUDIENCE, DEFAULT_STATE
from infra.local.stack_record import StackRecord, read_record

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

TOPIC = "ordering.orders"
ORDER = {
    "customer_id": "bench",
    "currency": "EUR",
    "lines": [
        {"sku": str(n), "quantity": 2, "unit_price": {"amount": "9.99", "currency": "EUR"}}
        for n in range(3)
    ],
    "shipping_address": {"name": "B", "street": "S 1", "city": "Berlin", "country": "DE"},
}


class Arrivals:
    """Notes when each record's key is first seen by a consumer that reads the topic's end."""

    def __init__(self, bootstrap_servers: str) -> None:
        self.arrived_at: dict[str, float] = {}
        self._consumer: Any = KafkaConsumer(bootstrap_servers=bootstrap_servers.split(","))
        partitions = self._consumer.partitions_for_topic(TOPIC)
        self._consumer.assign([TopicPartition(TOPIC, partition) for partition in partitions])
        self._consumer.seek_to_end()
        for partition in self._consumer.assignment():
            self._consumer.position(partition)
        self._over = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._over:
            for records in self._consumer.poll(timeout_ms=200).values():
                now = time.perf_counter()
                for record in records:
                    if record.key is not None:
                        self.arrived_at.setdefault(record.key.decode(), now)

    def wait_for(self, key: str) -> float:
        """Wait until the key has been seen, and give the moment."""
        while key not in self.arrived_at:
            time.sleep(0.001)
        return self.arrived_at[key]

    def close(self) -> None:
        """Stop reading."""
        self._over = True
        self._thread.join()
        self._consumer.close()


def show(name: str, seconds: list[float]) -> None:
    """Print one row: median and 99th percentile."""
    ordered = sorted(seconds)
    p99 = ordered[int(len(ordered) * 0.99)]
    print(  # noqa: T201 - the table is what this program is for
        f"{name:<58} p50 {statistics.median(ordered) * 1000:7.2f}   p99 {p99 * 1000:7.2f}"
    )


async def timed(count: int, call: Callable[[int], Awaitable[None]]) -> list[float]:
    """Time ``count`` calls, one after the other, after a tenth as many to warm up."""
    seconds = []
    for number in range(-count // 10, count):
        started = time.perf_counter()
        await call(number)
        if number >= 0:
            seconds.append(time.perf_counter() - started)
    return seconds


async def measure(record: StackRecord, token: str, count: int) -> None:
    """Measure everything and print the table."""
    url = record.api_url
    operator = {"authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(base_url=url, headers=operator) as session:

        async def expect(status: int, method: str, path: str, **request: Any) -> Any:
            async with session.request(method, path, **request) as answer:
                body = await answer.json()
                if answer.status != status:
                    raise RuntimeError(f"{method} {path}: {answer.status} {body}")
                return body, answer.headers

        async def unauthorised(_: int) -> None:
            await expect(401, "POST", "/orders", headers={"authorization": "Bearer no"})

        async def invalid(_: int) -> None:
            await expect(422, "POST", "/orders", json={})

        placed: list[tuple[str, str, float]] = []

        async def place(_: int) -> None:
            body, headers = await expect(201, "POST", "/orders", json=ORDER)
            placed.append((body["order_id"], headers["Consistency-Token"], time.perf_counter()))

        async def get(_: int) -> None:
            await expect(200, "GET", f"/orders/{placed[0][0]}")

        show("gateway alone (401)", await timed(count, unauthorised))
        show("gateway + function (422)", await timed(count, invalid))
        show("POST /orders: + one statement, committed (201)", await timed(count, place))
        headers = {"consistency-token": placed[-1][1], "prefer": "wait=20"}
        await expect(200, "GET", f"/orders/{placed[-1][0]}", headers=headers)
        show("GET /orders/{order_id}: gateway + function + one statement", await timed(count, get))

        arrivals = Arrivals(record.bootstrap_servers)
        in_topic, visible = [], []
        try:
            for _ in range(count // 4):
                await place(0)
                order_id, token_of_order, answered = placed[-1]
                headers = {"consistency-token": token_of_order, "prefer": "wait=20"}
                await expect(200, "GET", f"/orders/{order_id}", headers=headers)
                visible.append(time.perf_counter() - answered)
                arrived = await asyncio.to_thread(arrivals.wait_for, order_id)
                in_topic.append(max(0.0, arrived - answered))
                # So that each is alone: orders in quick succession are projected together.
                await asyncio.sleep(0.1)
        finally:
            arrivals.close()
        show("command answered → its event read from Kafka", in_topic)
        show("command answered → visible to a waiting query", visible)


def main() -> None:
    """Measure the running stack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--state", type=Path, default=DEFAULT_STATE)
    arguments = parser.parse_args()
    record = read_record(arguments.state)
    if record is None:
        raise SystemExit("no stack is running: make up DETACH=1")
    key = load_or_create_key(arguments.state)
    token = mint_token(
        key, record.issuer, AUDIENCE, customer=None, scope_prefix=record.scope_prefix
    )
    asyncio.run(measure(record, token, arguments.count))


if __name__ == "__main__":
    main()
