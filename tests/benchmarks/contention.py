"""What becomes of commands that meet on the same orders: `make bench-contention`.

Workers change the quantities of a few orders' lines as fast as they are answered, each command of
another quantity, on both models by turns. Fewer orders mean more races: who loses one reads the
order again and tries anew, a few times; then the answer is 409. Milliseconds; the relay and the
projectors do not run.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import sys
import time
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tests.integration.requests import request
from tests.shared import an_order

from .data.dataset import BUILD, SEED, copied, provide
from .measuring import parser_of, rounded, run_benchmark, say, spread, summary
from .sides import SIDES, conninfos, open_side

if TYPE_CHECKING:
    from pathlib import Path

    from .servers import Servers

ORDERS: Final = 15_000
HOT: Final = (1, 8, 64)
WORKERS: Final = 8
SECONDS: Final = 5.0
REPETITIONS: Final = 3
_MOST: Final = 9_999
_STARTING_SECONDS: Final = 3.0
"""A worker has imported everything and has connected by then."""


class _Task(NamedTuple):
    """What a worker does; it goes to another process."""

    number: int
    side: str
    conninfos: tuple[str, str]
    orders: list[str]
    begin: float
    seconds: float


Sample = tuple[float, int]
"""Milliseconds, and the status of the answer."""


def place(servers: Servers, side: str, orders: int) -> list[str]:
    """Place so many orders; return their ids."""
    with closing(open_side(side, *conninfos(servers, side))) as opened:
        answers = [opened.call("place_order", request(an_order())) for _ in range(orders)]
    return [json.loads(answer["body"])["order_id"] for answer in answers]


def _work(task: _Task) -> list[Sample]:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    chance = random.Random(f"{SEED} {task.number}")
    samples: list[Sample] = []
    with closing(open_side(task.side, *task.conninfos)) as side:
        time.sleep(max(0.0, task.begin - time.monotonic()))
        while (began := time.monotonic()) < task.begin + task.seconds:
            event = request(
                {"quantity": chance.randint(1, _MOST)},
                path={"order_id": chance.choice(task.orders), "line_id": "1"},
                idempotency_key=f"{task.number}-{len(samples)}-{task.begin}",
            )
            answer = side.call("change_line_quantity", event)
            samples.append((rounded((time.monotonic() - began) * 1000, 4), answer["statusCode"]))
    return samples


def contend(servers: Servers, side: str, hot: int, seconds: float, workers: int) -> list[Sample]:
    """Let the workers meet on so many orders; return every command's time and status."""
    orders = place(servers, side, hot)
    begin = time.monotonic() + _STARTING_SECONDS
    tasks = [
        _Task(number, side, conninfos(servers, side), orders, begin, seconds)
        for number in range(workers)
    ]
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        return [sample for of_worker in pool.map(_work, tasks, 1) for sample in of_worker]


def figures(samples: list[Sample], seconds: float) -> dict[str, Any]:
    """Return what a run is known by.

    Raises:
        RuntimeError: a command was answered neither with what it did nor with 409.
    """
    statuses = Counter(status for _, status in samples)
    if statuses.keys() - {200, 409}:
        raise RuntimeError(f"answers had the statuses {dict(statuses)}")
    return {
        "done_per_second": statuses[200] / seconds,
        "refused_share": statuses[409] / len(samples),
        "latency_ms": summary([latency for latency, _ in samples]),
    }


def run(
    orders: int,
    *,
    seconds: float = SECONDS,
    repetitions: int = REPETITIONS,
    workers: int = WORKERS,
    hot: tuple[int, ...] = HOT,
    build: Path = BUILD,
) -> dict[str, Any]:
    """Let workers meet on few and on many orders of both sides; return the result."""
    samples: dict[str, dict[str, list[list[Sample]]]] = {}
    with copied(provide(orders, build=build)) as servers:
        for number in hot:
            of_number = samples[f"{number}"] = {side: [] for side in SIDES}
            for repetition in range(repetitions):
                for side in SIDES if repetition % 2 else reversed(SIDES):
                    of_number[side].append(contend(servers, side, number, seconds, workers))
    told = {
        number: {
            side: [figures(each, seconds) for each in of_side]
            for side, of_side in of_number.items()
        }
        for number, of_number in samples.items()
    }
    shown = {
        number: {
            side: {
                "done_per_second": spread(each["done_per_second"] for each in runs),
                "refused_share": spread(each["refused_share"] for each in runs),
                "latency_p99_ms": spread(each["latency_ms"]["p99"] for each in runs),
            }
            for side, runs in of_number.items()
        }
        for number, of_number in told.items()
    }
    show(shown)
    return {
        "seed": SEED,
        "settings": {"workers": workers, "seconds": seconds, "repetitions": repetitions},
        "summary": shown,
        "runs": told,
        "samples": samples,
    }


def show(told: dict[str, Any]) -> None:
    """Print the table, as Markdown."""
    say("| Orders | Side | done/s | refused | p99, ms |\n|--:|---|--:|--:|--:|")
    for number, of_number in told.items():
        for side, figures_of_side in of_number.items():
            done, refused, latency = (each["median"] for each in figures_of_side.values())
            say(f"| {number} | {side} | {done:.0f} | {refused:.1%} | {latency:.1f} |")


def main() -> None:
    """Measure and write the result."""
    parser = parser_of(__doc__, ORDERS)
    asked = parser.parse_args()
    run_benchmark("contention", lambda: run(asked.orders, build=asked.build), asked.build)


if __name__ == "__main__":
    main()
