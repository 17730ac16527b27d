"""What a workload costs the databases: `make bench-database-cpu`.

The same arrivals at the same rate go to the unified model and to the read model's whole system, by
turns, a server's start between them. Processor seconds are those of all processes of the PostgreSQL
servers (/proc), from the first arrival until the last answer, and until every read model has
everything. The functions' processor time, WAL and the databases' growth are measured beside it.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any, Final

from .contest import contest
from .crew import WORKERS, Crew, Served
from .data.dataset import BUILD, SEED, provide
from .measuring import parser_of, run_benchmark, say, spread, summary
from .sides import OURS, SIDES, THEIRS
from .workload import COMMANDS, MIX

if TYPE_CHECKING:
    from pathlib import Path

ORDERS: Final = 150_000
RATE: Final = 40.0
SECONDS: Final = 30.0
REPETITIONS: Final = 3
IDLE_SECONDS: Final = 10.0
_ROLES: Final = ("ordering_command", "ordering_relay", "ordering_projector", "ordering_query")


def figures(served: Served) -> dict[str, Any]:
    """Return what one run is known by."""
    wrong = [status for *_, status, _ in served.samples if status >= 400]
    latencies = [latency for _, _, latency, _, _ in served.samples]
    return {
        "requests": len(served.samples),
        "errors": len(wrong),
        "seconds": served.seconds,
        "commands": sum(kind == COMMANDS for kind, *_ in served.samples),
        "cpu": served.cpu,
        "cpu_of_roles": served.cpu_of_roles,
        "wal_bytes": served.wal_bytes,
        "disk_bytes": served.disk_bytes,
        "latency_ms": summary(latencies),
    }


def run(
    orders: int, *, rate: float, seconds: float, repetitions: int, kafka: str, build: Path = BUILD
) -> dict[str, Any]:
    """Serve the workload on both sides so many times; return the result."""
    dataset = provide(orders, build=build)
    idle_seconds = min(IDLE_SECONDS, seconds)
    runs: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
    samples: dict[str, list[Any]] = {side: [] for side in SIDES}
    with contest(dataset, kafka) as both:
        sample = both.sample()
        for repetition in range(repetitions):
            for side in SIDES if repetition % 2 else reversed(SIDES):
                with both.place(side) as place, Crew(place, sample) as crew:
                    idle = crew.idle(idle_seconds)
                    served = crew.serve(rate, seconds, SEED + repetition)
                per_second = {part: used / idle_seconds for part, used in idle.items()}
                runs[side].append({**figures(served), "cpu_idle_per_second": per_second})
                samples[side].append(served.samples)
                say(f"{side}, run {repetition + 1}: {runs[side][-1]['cpu']}")
    told = summarise(runs)
    show(told)
    return {
        "seed": SEED,
        "dataset": dataset.made,
        "settings": {
            "rate": rate,
            "seconds": seconds,
            "workers": WORKERS,
            "mix": MIX,
            "warm_up": "each worker asks one question of every kind before",
        },
        "summary": told,
        "runs": runs,
        "samples": samples,
    }


def summarise(runs: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return the median over the repetitions, of each side and of their ratios."""
    told: dict[str, Any] = {"ratios": {}}
    for side, of_side in runs.items():
        requests = statistics.fmean(each["requests"] for each in of_side)
        told[side] = {
            "requests": requests,
            "errors": sum(each["errors"] for each in of_side),
            "latency_p99_ms": spread(each["latency_ms"]["p99"] for each in of_side),
            **{
                f"cpu_ms_per_request_{part}": spread(
                    each["cpu"][part] / each["requests"] * 1000 for each in of_side
                )
                for part in of_side[0]["cpu"]
            },
            **{
                f"cpu_ms_per_request_database_{role.removeprefix('ordering_')}": spread(
                    each["cpu_of_roles"].get(role, 0.0) / each["requests"] * 1000
                    for each in of_side
                )
                for role in of_side[0]["cpu_of_roles"]
                if role in _ROLES
            },
            **{
                f"idle_ms_per_second_{part}": spread(
                    each["cpu_idle_per_second"][part] * 1000 for each in of_side
                )
                for part in of_side[0]["cpu_idle_per_second"]
            },
            "wal_bytes_per_request": spread(e["wal_bytes"] / e["requests"] for e in of_side),
            "disk_bytes_per_request": spread(e["disk_bytes"] / e["requests"] for e in of_side),
        }
    pairs = [*zip(runs[OURS], runs[THEIRS], strict=True)]
    told["ratios"] = {
        "database_cpu": spread(a["cpu"]["database"] / b["cpu"]["database"] for a, b in pairs),
        "functions_cpu": spread(a["cpu"]["functions"] / b["cpu"]["functions"] for a, b in pairs),
        "wal": spread(a["wal_bytes"] / max(1, b["wal_bytes"]) for a, b in pairs),
    }
    return told


def show(told: dict[str, Any]) -> None:
    """Print the table, as Markdown."""
    rows = sorted(
        {name for side in SIDES for name in told[side] if name not in ("requests", "errors")}
    )
    say(f"\n| A request on average | {' | '.join(reversed(SIDES))} |\n|---|--:|--:|")
    for row in rows:
        cells = [told[side].get(row) for side in reversed(SIDES)]
        shown = ["" if cell is None else f"{cell['median']:,.2f}" for cell in cells]
        say(f"| {row.replace('_', ' ')} | {' | '.join(shown)} |")
    for name, ratio in told["ratios"].items():
        say(f"{name}: {ratio['median']:.2f} ({ratio['least']:.2f} to {ratio['most']:.2f})")
    say(f"errors: {', '.join(str(told[side]['errors']) for side in SIDES)}")


def main() -> None:
    """Measure and write the result."""
    parser = parser_of(__doc__, ORDERS)
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    asked = parser.parse_args()
    run_benchmark("database_cpu", lambda: run(**vars(asked)), asked.build)


if __name__ == "__main__":
    main()
