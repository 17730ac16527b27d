"""The highest rate that each side sustains: `make bench-peak`.

A rate is sustained when of all requests 99 % are answered within 100 ms of their intended arrival
and none fails, in the first try or a second. The highest is found by doubling, then by halving the
interval, on each side by turns and several times. Then the read model serves 1, 3 and 10 times the
other's highest rate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .contest import contest
from .crew import WORKERS, Crew, Served
from .data.dataset import BUILD, SEED, provide
from .database_cpu import figures
from .measuring import parser_of, percentile, read_result, run_benchmark, say, spread, summary
from .sides import OURS, SIDES, THEIRS
from .workload import MIX

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .asked import Sample
    from .contest import Contest

ORDERS: Final = 150_000
SECONDS: Final = 8.0
REPETITIONS: Final = 3
OBJECTIVE_MS: Final = 100.0
FACTORS: Final = (1, 3, 10)
_FIRST_RATE: Final = 40.0
_LEAST_RATE: Final = 1.0
_STEPS: Final = 3
"""So often the interval is halved: the rate is known to within a fifteenth, or so."""


def is_sustained(served: Served) -> bool:
    """Return whether the objective was kept."""
    latencies = [latency for _, _, latency, _, _ in served.samples]
    errors = any(status >= 400 for *_, status, _ in served.samples)
    return not errors and percentile(latencies, 0.99) <= OBJECTIVE_MS


def highest(crew: Crew, seconds: float, tried: list[dict[str, Any]]) -> float:
    """Search for the highest sustained rate; each that was tried is added to ``tried``."""

    def sustains(rate: float) -> bool:
        # Twice, if need be: one pause of the machine is no limit of a side.
        return is_kept(rate) or is_kept(rate)

    def is_kept(rate: float) -> bool:
        served = crew.serve(rate, seconds, SEED + len(tried))
        tried.append({"rate": rate, "sustained": is_sustained(served), **figures(served)})
        return is_sustained(served)

    return search(sustains, _FIRST_RATE, _STEPS)


def search(sustains: Callable[[float], bool], first: float, steps: int) -> float:
    """Return the highest rate that is sustained: by doubling, then by halving so many times.

    Raises:
        RuntimeError: not even the least rate is.
    """
    rate = first
    while sustains(rate):
        rate *= 2
    good, bad = rate / 2, rate
    while rate == first and not sustains(good):
        good, bad = good / 2, good
        if good < _LEAST_RATE:
            raise RuntimeError(f"not even {bad:g} requests a second are sustained")
    for _ in range(steps):
        middle = (good + bad) / 2
        good, bad = (middle, bad) if sustains(middle) else (good, middle)
    return good


def run(
    orders: int, *, seconds: float, repetitions: int, kafka: str, build: Path = BUILD
) -> dict[str, Any]:
    """Search on both sides; return the result."""
    dataset = provide(orders, build=build)
    found: dict[str, list[float]] = {side: [] for side in SIDES}
    tried: dict[str, list[Any]] = {side: [] for side in SIDES}
    with contest(dataset, kafka) as both:
        sample = both.sample()
        for repetition in range(repetitions):
            for side in SIDES if repetition % 2 else reversed(SIDES):
                with both.place(side) as place, Crew(place, sample) as crew:
                    found[side].append(highest(crew, seconds, tried[side]))
                say(f"{side}, search {repetition + 1}: {found[side][-1]:.1f} requests/s")
        of_theirs = spread(found[THEIRS])["median"]
        multiples = serve_multiples(both, sample, of_theirs, seconds)
    return {
        "seed": SEED,
        "dataset": dataset.made,
        "settings": {
            "objective_p99_ms": OBJECTIVE_MS,
            "seconds": seconds,
            "workers": WORKERS,
            "mix": MIX,
            "warm_up": "each worker asks one question of every kind before",
        },
        "summary": {
            "highest": {side: spread(rates) for side, rates in found.items()},
            "ratio": spread(a / b for a, b in zip(found[OURS], found[THEIRS], strict=True)),
            "multiples": multiples,
        },
        "samples": {"tried": tried},
    }


def half_of_the_peak(build: Path) -> float | None:
    """Return half of the read model's highest rate that was measured; None: none was."""
    measured = read_result("peak", directory=build)
    if measured is None:
        return None
    median: float = measured["summary"]["highest"][OURS]["median"]
    return median / 2


def serve_multiples(
    both: Contest, sample: Sample, rate: float, seconds: float
) -> dict[str, dict[str, Any]]:
    """Return what the read model does at multiples of the unified model's highest rate."""
    told = {}
    with both.place(OURS) as place, Crew(place, sample) as crew:
        for factor in FACTORS:
            served = crew.serve(rate * factor, seconds, SEED)
            ages = [age for *_, age in served.samples if age is not None]
            told[f"{factor}"] = {
                "rate": rate * factor,
                "sustained": is_sustained(served),
                **figures(served),
                "age_ms": summary(ages),
                "caught_up_seconds": served.caught_up_seconds,
            }
            say(f"{factor} x: {told[f'{factor}']['latency_ms']}")
    return told


def main() -> None:
    """Measure and write the result."""
    parser = parser_of(__doc__, ORDERS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    asked = parser.parse_args()
    run_benchmark("peak", lambda: run(**vars(asked)), asked.build)


if __name__ == "__main__":
    main()
