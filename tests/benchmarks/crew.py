"""The workers that serve a workload, and what it cost the side that they serve it on.

Each is a process of its own that calls handlers, as Lambda's environments would; neither side's
requests go through the local gateway.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import time
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

import psycopg2

from ordering.read_side.query import READ_MODELS

from . import costs
from .measuring import rounded
from .sides import OURS, open_side
from .workload import COMMANDS, MIX, Arrival, Requests, arrivals

if TYPE_CHECKING:
    from .asked import Sample
    from .contest import Place

WORKERS: Final = 12
"""So many requests are served at a time; each worker has a connection of its own, or two."""
_CAUGHT_UP_SECONDS: Final = 120.0


class Served(NamedTuple):
    """What became of a workload."""

    samples: list[tuple[str, float, float, int, float | None]]
    """Kind, intended time in seconds, latency in milliseconds, status, age in milliseconds."""
    seconds: float
    """From the first intended arrival until everything was answered and projected."""
    cpu: dict[str, float]
    """Processor seconds of the database servers, the functions, and the broker."""
    cpu_of_roles: dict[str, float]
    """Those of the database servers by the role that they worked for."""
    wal_bytes: int
    disk_bytes: int
    caught_up_seconds: float
    """From the last answer until every read model had everything."""


class Crew:
    """The workers of a place: connected and warm, they serve one workload after the other."""

    def __init__(self, place: Place, sample: Sample, workers: int = WORKERS) -> None:
        self._place = place
        context = multiprocessing.get_context("spawn")
        self._shared = _Shared(
            context.Value("q", 0), context.Value("d", 0.0), context.SimpleQueue()
        )
        self._tasks = [context.SimpleQueue() for _ in range(workers)]
        of = (place.side, place.commands, place.questions, sample)
        self._processes = [
            context.Process(
                target=_work,
                args=(_AtWork(number, *of), tasks, self._shared),
                daemon=True,
            )
            for number, tasks in enumerate(self._tasks)
        ]

    def __enter__(self) -> Self:
        """Start the workers, and wait until each has asked questions of every kind."""
        _wait_until_projected(self._place)
        for process in self._processes:
            process.start()
        for _ in self._processes:
            self._result()
        return self

    def __exit__(self, *_: object) -> None:
        """End them."""
        for tasks in self._tasks:
            tasks.put(None)
        for process in self._processes:
            process.join(10)
            process.kill()

    def _result(self) -> Any:
        """Return what the next worker says.

        Raises:
            RuntimeError: a worker has ended; it has said why to the error stream.
        """
        while self._shared.results.empty():
            if any(process.exitcode is not None for process in self._processes):
                raise RuntimeError("a worker has ended")
            time.sleep(0.01)
        return self._shared.results.get()

    def idle(self, seconds: float) -> dict[str, float]:
        """Return the processor seconds that nothing takes, in so many seconds."""
        before = costs.processor_seconds(self._place)
        time.sleep(seconds)
        return costs.since(before, costs.processor_seconds(self._place))

    def serve(self, rate: float, seconds: float, seed: int) -> Served:
        """Send a workload; return when everything is answered, and every read model has it."""
        place = self._place
        before, bytes_before = costs.processor_seconds(place), costs.bytes_written(place)
        roles_before = costs.seconds_by_role(place)
        self._shared.taken.value = 0
        began = self._shared.began.value = time.monotonic() + 0.3
        for tasks in self._tasks:
            tasks.put(_Task(rate, seconds, seed))
        samples, cpu_of_workers = [], 0.0
        for _ in self._processes:
            of_worker, cpu = self._result()
            samples += of_worker
            cpu_of_workers += cpu
        answered = time.monotonic()
        _wait_until_projected(place)
        projected = time.monotonic()
        used = costs.since(before, costs.processor_seconds(place))
        of_roles = costs.since(roles_before, costs.seconds_by_role(place))
        bytes_after = costs.bytes_written(place)
        used["functions"] = used.get("functions", 0.0) + cpu_of_workers
        return Served(
            samples=sorted(samples, key=lambda each: each[1]),
            seconds=projected - began,
            cpu=used,
            cpu_of_roles=of_roles,
            wal_bytes=bytes_after[0] - bytes_before[0],
            disk_bytes=bytes_after[1] - bytes_before[1],
            caught_up_seconds=projected - answered,
        )


class _AtWork(NamedTuple):
    """What a worker works with; it goes to another process."""

    number: int
    side: str
    commands: str
    questions: str
    sample: Sample


class _Shared(NamedTuple):
    """What all workers of a crew share; multiprocessing has no public types for these."""

    taken: Any
    """How many arrivals were taken."""
    began: Any
    """When the first was due, as ``time.monotonic`` says it."""
    results: Any


class _Task(NamedTuple):
    """What a worker is to do."""

    rate: float
    seconds: float
    seed: int


def _work(at_work: _AtWork, tasks: Any, shared: _Shared) -> None:
    """Serve arrivals, each as soon as this worker is free and its time has come."""
    # Log lines are written, and thrown away.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    side = open_side(at_work.side, at_work.commands, at_work.questions)
    warming = Requests(at_work.sample, 0, at_work.number)
    for position, kind in enumerate(MIX):
        if kind != COMMANDS:
            side.call(*warming.of(Arrival(0.0, kind, position)))
    shared.results.put(None)
    while (task := tasks.get()) is not None:
        requests = Requests(at_work.sample, task.seed, at_work.number)
        todo = arrivals(task.rate, task.seconds, task.seed)
        samples, cpu_before = [], time.process_time()
        while (position := _next(shared.taken)) < len(todo):
            arrival = todo[position]
            due = shared.began.value + arrival.at
            time.sleep(max(0.0, due - time.monotonic()))
            stem, event = requests.of(arrival)
            answer = side.call(stem, event)
            latency = rounded((time.monotonic() - due) * 1000, 4)
            if stem == "place_order" and answer["statusCode"] == HTTPStatus.CREATED:
                requests.placed(answer, event)
            at = rounded(arrival.at, 6)
            samples.append((arrival.kind, at, latency, answer["statusCode"], _age(answer)))
        shared.results.put((samples, time.process_time() - cpu_before))
    side.close()


def _next(taken: Any) -> int:
    with taken.get_lock():
        taken.value += 1
        position: int = taken.value - 1
    return position


def _age(answer: dict[str, Any]) -> float | None:
    """Return how old the answer of a read model says it is, in milliseconds."""
    as_of = answer["headers"].get("read-model-as-of")
    if as_of is None:
        return None
    return rounded((time.time() - datetime.fromisoformat(as_of).timestamp()) * 1000, 4)


def _wait_until_projected(place: Place) -> None:
    """Wait until every read model is as fresh as now.

    Raises:
        TimeoutError: they are not for long.
    """
    if place.side != OURS:
        return
    until = time.monotonic() + _CAUGHT_UP_SECONDS
    with contextlib.closing(psycopg2.connect(place.owners["read"])) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("select clock_timestamp()")
            ((now,),) = cursor.fetchall()
            while time.monotonic() < until:
                cursor.execute(
                    "select count(distinct projection), bool_and(coalesce(as_of >= %s, false))"
                    " from watermarks",
                    [now],
                )
                if cursor.fetchall() == [(len(READ_MODELS), True)]:
                    return
                time.sleep(0.05)
    raise TimeoutError(f"the read models are not fresh after {_CAUGHT_UP_SECONDS} s")
