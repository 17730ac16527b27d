"""The model of one machine: it has to predict what the peak benchmark has found there."""

from __future__ import annotations

import random
import statistics
from typing import TYPE_CHECKING, Any, Final

import simpy

from tests.benchmarks.crew import WORKERS
from tests.benchmarks.measuring import percentile
from tests.benchmarks.peak import OBJECTIVE_MS, search
from tests.benchmarks.sides import OURS, SIDES
from tests.benchmarks.workload import COMMANDS, arrivals

from .cores import Cores

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.benchmarks.workload import Arrival

    from .measured import Background, Measured, Requests

_GATHERED_SECONDS: Final = 0.06
"""The local event source hands over what comes in succession at least so long after the last."""
_IDLE_EVERY_SECONDS: Final = 0.01
_SECONDS: Final = 8.0
_STEPS: Final = 5
_FIRST_RATE: Final = 10.0


class _Machine:
    """The machine of one run."""

    def __init__(
        self, requests: Requests, background: Background | None, projectors: int, cores: int
    ) -> None:
        self._world = simpy.Environment()
        self._cores = Cores(self._world, cores)
        self._workers = simpy.Resource(self._world, WORKERS)
        self._requests = requests
        self._background = background
        self._projectors = projectors
        self._events = 0
        self._arrived = self._world.event()
        self.latencies: list[float] = []

    def run(self, todo: list[Arrival], seed: int) -> list[float]:
        """Serve the arrivals; return the latencies in milliseconds."""
        chance = random.Random(seed)
        answers = [self._world.process(self._serve(each, chance)) for each in todo]
        if self._background is not None:
            self._world.process(self._idle(self._background))
            self._world.process(self._project(self._background))
        self._world.run(self._world.all_of(answers))
        return self.latencies

    def _serve(self, arrival: Arrival, chance: random.Random) -> Generator[simpy.Event, Any, None]:
        yield self._world.timeout(arrival.at)
        with self._workers.request() as turn:
            yield turn
            if arrival.kind == COMMANDS:
                whole = chance.choice(self._requests.commands)
                processor = self._requests.command_processor
                yield from self._cores.work(min(whole, processor))
                yield self._world.timeout(max(0.0, whole - processor))
                self._events += 1
                if not self._arrived.triggered:
                    self._arrived.succeed()
            else:
                yield from self._cores.work(chance.choice(self._requests.questions[arrival.kind]))
        self.latencies.append((self._world.now - arrival.at) * 1000)

    def _idle(self, background: Background) -> Generator[simpy.Event, Any, None]:
        while True:
            yield self._world.timeout(_IDLE_EVERY_SECONDS)
            yield from self._cores.work(background.idle * _IDLE_EVERY_SECONDS)

    def _project(self, background: Background) -> Generator[simpy.Event, Any, None]:
        """Relay and project: the read models beside one another, each in a process of its own."""
        while True:
            if not self._events:
                self._arrived = self._world.event()
                yield self._arrived
            events, self._events = self._events, 0
            began = self._world.now
            whole = background.round + events * background.per_event
            each = whole / self._projectors
            yield self._world.all_of(
                [self._world.process(self._cores.work(each)) for _ in range(self._projectors)]
            )
            yield self._world.timeout(max(0.0, _GATHERED_SECONDS - (self._world.now - began)))


def latencies(measured: Measured, side: str, rate: float, seed: int) -> list[float]:
    """Return the milliseconds that requests take at a rate."""
    background = measured.background if side == OURS else None
    machine = _Machine(measured.requests[side], background, len(measured.batches), measured.cores)
    return machine.run(arrivals(rate, _SECONDS, seed), seed)


def highest(measured: Measured, side: str) -> float:
    """Return the highest rate that keeps the objective, searched as the benchmark does."""

    def is_kept(rate: float) -> bool:
        tries = (latencies(measured, side, rate, seed) for seed in (1, 2, 3))
        return statistics.median(percentile(each, 0.99) for each in tries) <= OBJECTIVE_MS

    return search(is_kept, _FIRST_RATE, _STEPS)


def validate(measured: Measured) -> dict[str, Any]:
    """Return what was measured and what the model predicts, with the errors."""
    told: dict[str, Any] = {"highest": {}, "latencies": []}
    for side in SIDES:
        found = measured.peak["summary"]["highest"][side]["median"]
        predicted = highest(measured, side)
        told["highest"][side] = {
            "measured": found,
            "predicted": predicted,
            "error": predicted / found - 1,
        }
        by_rate: dict[float, list[dict[str, float]]] = {}
        for each in measured.peak["samples"]["tried"][side]:
            by_rate.setdefault(each["rate"], []).append(each["latency_ms"])
        for rate, of_rate in sorted(by_rate.items()):
            simulated = latencies(measured, side, rate, seed=1)
            told["latencies"].append(
                {
                    "side": side,
                    "rate": rate,
                    "p50_measured": statistics.median(each["p50"] for each in of_rate),
                    "p50_predicted": percentile(simulated, 0.5),
                    "p99_measured": statistics.median(each["p99"] for each in of_rate),
                    "p99_predicted": percentile(simulated, 0.99),
                }
            )
    ours, theirs = (told["highest"][side] for side in SIDES)
    told["ratio"] = {
        "measured": ours["measured"] / theirs["measured"],
        "predicted": ours["predicted"] / theirs["predicted"],
    }
    return told
