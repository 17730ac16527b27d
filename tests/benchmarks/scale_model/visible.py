"""When a command of the deployed system is seen: a simulation of one shard and its partitions.

All shards are alike, and so are all partitions; what is simulated is one shard with the partitions
that it feeds, and the projectors of every read model on them.
"""

from __future__ import annotations

import random
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import simpy

from tests.benchmarks.measuring import percentile, summary

from . import limits
from .measured import LARGE_BATCH

if TYPE_CHECKING:
    from collections.abc import Generator

    from .deployed import Deployed
    from .measured import Batch

_SECONDS: Final = 8.0
_WARM_UP_SECONDS: Final = 1.0


class _Queue:
    """What waits in order: the moments of commands."""

    def __init__(self, world: simpy.Environment) -> None:
        self._world = world
        self._waiting: deque[float] = deque()
        self._arrived = world.event()

    def put(self, moments: list[float]) -> None:
        self._waiting.extend(moments)
        if moments and not self._arrived.triggered:
            self._arrived.succeed()

    def take(self, most: int) -> Generator[simpy.Event, Any, list[float]]:
        """Wait until there are some; return them. Used with ``yield from``."""
        if not self._waiting:
            self._arrived = self._world.event()
            yield self._arrived
        return [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]


class _Shard:
    """One shard of the deployed system."""

    def __init__(self, deployed: Deployed, events: float, partitions: int, share: float) -> None:
        self._world = simpy.Environment()
        self._deployed = deployed
        self._share = share
        self._chance = random.Random(1)
        self._outbox = _Queue(self._world)
        self._topic = [
            {name: _Queue(self._world) for name in deployed.measured.batches}
            for _ in range(partitions)
        ]
        self.seen: dict[str, list[float]] = {name: [] for name in deployed.measured.batches}
        self.batches: list[int] = []
        self._world.process(self._command(events))
        self._world.process(self._relay())
        for partition in self._topic:
            for name, queue in partition.items():
                self._world.process(self._project(name, queue, deployed.measured.batches[name]))

    def run(self) -> None:
        """Let the time pass."""
        self._world.run(_SECONDS)

    def _command(self, events: float) -> Generator[simpy.Event, Any, None]:
        while True:
            yield self._world.timeout(self._chance.expovariate(events))
            self._outbox.put([self._world.now])

    def _relay(self) -> Generator[simpy.Event, Any, None]:
        measured = self._deployed.measured
        trip = (limits.NETWORK_MS.value + limits.PUBLISH_MS.value) / 1000
        while True:
            moments = yield from self._outbox.take(LARGE_BATCH)
            work = len(moments) / (measured.relay_events * self._share)
            yield self._world.timeout(trip + work)
            parts: list[list[float]] = [[] for _ in self._topic]
            for moment in moments:
                self._chance.choice(parts).append(moment)
            for partition, part in zip(self._topic, parts, strict=True):
                for queue in partition.values():
                    queue.put(part)

    def _project(self, name: str, queue: _Queue, batch: Batch) -> Generator[simpy.Event, Any, None]:
        while True:
            moments = yield from queue.take(LARGE_BATCH)
            busy = self._deployed.batch_seconds(batch, len(moments), self._share)
            yield self._world.timeout(limits.INVOKE_MS.value / 1000 + busy)
            if self._world.now > _WARM_UP_SECONDS:
                self.batches.append(len(moments))
                self.seen[name] += [(self._world.now - moment) * 1000 for moment in moments]


def simulate(deployed: Deployed, orders: float, share_of_core: float) -> dict[str, Any]:
    """Return the milliseconds until commands are seen, with the shards and partitions needed.

    The databases have as many cores as are planned for, so that nothing waits for them.
    """
    needs = {each.part: each.per_order * orders for each in deployed.needs(share_of_core)}
    shards = max(1, round(needs["the relay"] + 0.5))
    partitions = max(shards, deployed.configured.partitions, round(needs["the topic"] + 0.5))
    shard = _Shard(
        deployed,
        orders * deployed.events / shards,
        max(1, round(partitions / shards)),
        share_of_core,
    )
    shard.run()
    slowest = max(shard.seen, key=lambda name: percentile(shard.seen[name], 0.99))
    everything = [ms for of_model in shard.seen.values() for ms in of_model]
    return {
        "orders": orders,
        "shards": shards,
        "partitions": partitions,
        "seen_ms": summary(everything),
        "slowest_read_model": slowest,
        "slowest_ms": summary(shard.seen[slowest]),
        "events_of_a_batch": sum(shard.batches) / len(shard.batches),
    }
