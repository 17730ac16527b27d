"""Each question of the HTTP contract, asked of the unified model and of the read model.

`make bench-complex-queries`. Both are asked by turns in this process, through handlers of the same
kind, from API Gateway's event to the answer, each time with fields that are drawn anew and are the
same for both. Before, both sides' answers are compared; a difference ends the benchmark without a
figure. Times are milliseconds. The handlers log to the standard output, this to the error stream.
"""

from __future__ import annotations

import random
import statistics
import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any, Final

from .asked import KINDS, draw, event_of, require_same_answers
from .data.dataset import BUILD, SEED, copied, provide
from .measuring import parser_of, rounded, run_benchmark, say, spread, summary
from .servers import UNIFIED
from .sides import OURS, SIDES, THEIRS, conninfos, open_side

if TYPE_CHECKING:
    from pathlib import Path

    from .asked import Sample
    from .data.dataset import Dataset
    from .sides import Side

SIZES: Final = (15_000, 50_000, 150_000)
_REPETITIONS: Final = 3
Samples = dict[str, dict[str, list[list[float]]]]
"""Milliseconds by kind of question and side, a list for each repetition."""


def measure(sides: list[Side], sample: Sample, rounds: int) -> Samples:
    """Ask each kind of question so many times in each of several repetitions."""
    samples: Samples = {kind: {side.name: [] for side in sides} for kind in KINDS}
    for repetition in range(_REPETITIONS):
        for kind, question in KINDS.items():
            chance = random.Random(f"{SEED} {kind} {repetition}")
            taken: dict[str, list[float]] = {side.name: [] for side in sides}
            warm_up = max(2, rounds // 10)
            for number in range(rounds + warm_up):
                event = event_of(question, sample, chance)
                for side in sides if number % 2 else reversed(sides):
                    began = time.perf_counter()
                    side.call(question.stem, event)
                    seconds = time.perf_counter() - began
                    if number >= warm_up:
                        taken[side.name].append(rounded(seconds * 1000, 4))
            for name, of_side in taken.items():
                samples[kind][name].append(of_side)
    return samples


def summarise(samples: Samples) -> dict[str, Any]:
    """Return each kind's figures on both sides with their ratio, and the means over all kinds."""
    kinds: dict[str, Any] = {}
    for kind, of_sides in samples.items():
        by_repetition = [
            statistics.fmean(ours) / statistics.fmean(theirs)
            for ours, theirs in zip(of_sides[OURS], of_sides[THEIRS], strict=True)
        ]
        kinds[kind] = {
            **{
                name: summary([ms for each in lists for ms in each])
                for name, lists in of_sides.items()
            },
            "ratio": spread(by_repetition),
        }
    complex_ones = [kind for kind in kinds if KINDS[kind].is_complex]
    means = {
        name: statistics.fmean(kinds[kind][name]["mean"] for kind in complex_ones) for name in SIDES
    }
    return {"kinds": kinds, "complex_means": means, "ratio": means[OURS] / means[THEIRS]}


def ask_all(dataset: Dataset, rounds: int) -> tuple[Samples, int]:
    """Compare the answers on one data set, and time them; return also how many were compared."""
    with ExitStack() as exits:
        servers = exits.enter_context(copied(dataset))
        sample = draw(servers.superuser(UNIFIED), SEED)
        sides = [open_side(name, *conninfos(servers, name)) for name in SIDES]
        for side in sides:
            exits.enter_context(closing(side))
        compared = require_same_answers(sides, sample, times=5)
        return measure(sides, sample, rounds), compared


def show(results: dict[int, dict[str, Any]]) -> None:
    """Print a table for the largest size, and the growth of each kind."""
    sizes = [*results]
    say(f"\n| Question, {sizes[-1]:,} orders | unified, ms | read model, ms | ratio |")
    say("|---|--:|--:|--:|")
    for kind, figures in results[sizes[-1]]["kinds"].items():
        theirs, ours = (f"{figures[n]['mean']:.2f}" for n in (THEIRS, OURS))
        say(f"| {kind} | {theirs} | {ours} | {figures['ratio']['median']:.3f} |")
    head = " | ".join(f"{size:,} orders" for size in sizes)
    say(f"\n| Mean of complex questions | {head} |")
    say(f"|---|{'--:|' * len(sizes)}")
    for name in SIDES:
        cells = " | ".join(f"{results[s]['complex_means'][name]:.2f} ms" for s in sizes)
        say(f"| {name} | {cells} |")
    cells = " | ".join(f"{results[size]['ratio']:.3f}" for size in sizes)
    say(f"| ratio | {cells} |")


def run(sizes: list[int], rounds: int, build: Path = BUILD) -> dict[str, Any]:
    """Measure all sizes; return what is written as the result."""
    results, samples, made, compared = {}, {}, {}, {}
    for size in sizes:
        dataset = provide(size, build=build)
        say(f"asking both sides of {size:,} orders")
        samples[size], compared[size] = ask_all(dataset, rounds)
        results[size] = summarise(samples[size])
        made[size] = dataset.made
    show(results)
    return {
        "seed": SEED,
        "datasets": made,
        "rounds": rounds,
        "repetitions": _REPETITIONS,
        "warm_up": "a tenth of the rounds of each question, not counted",
        "answers_compared": compared,
        "summary": results,
        "samples": samples,
    }


def main() -> None:
    """Measure and write the result."""
    parser = parser_of(__doc__, None)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    run_benchmark(
        "complex_queries", lambda: run(options.sizes, options.rounds, options.build), options.build
    )


if __name__ == "__main__":
    main()
