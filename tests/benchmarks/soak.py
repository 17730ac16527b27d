"""Whether anything grows that should not: `make bench-soak`, half an hour.

The workload arrives at half of the highest rate that the read model sustains, if that was measured.
Every so often the memory of each process, the size and the dead rows of each table, the outbox and
the read models' age are noted. Between the first sixth, which warms up, and the end, memory, age,
latency and what a row takes have to stay as they are; tables grow by the orders that are placed.
"""

from __future__ import annotations

import contextlib
import statistics
import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

import psutil

from .contest import contest
from .costs import rows
from .crew import WORKERS, Crew, Served
from .data.dataset import SEED, provide
from .measuring import parser_of, rounded, run_benchmark, say, summary
from .peak import half_of_the_peak
from .sides import OURS
from .workload import COMMANDS, MIX

if TYPE_CHECKING:
    from pathlib import Path

    from .contest import Place

ORDERS: Final = 150_000
SECONDS: Final = 1800.0
EVERY_SECONDS: Final = 30.0
_RATE: Final = 100.0
"""If the highest rate was not measured here."""
_TABLES: Final = """
select relname, pg_total_relation_size(relid), n_live_tup, n_dead_tup
from pg_stat_user_tables where schemaname = 'public' order by relname
"""
_OUTBOX: Final = "select count(*) from outbox"
_AGE: Final = "select extract(epoch from clock_timestamp() - min(as_of)) from watermarks"


def look(place: Place) -> dict[str, Any]:
    """Return what is there now: bytes of processes and tables, dead rows, the outbox, the age."""
    if place.stack is None:
        raise RuntimeError("the read model's side is a whole stack")
    memory: dict[str, int] = defaultdict(int)
    runner = psutil.Process(place.stack.record.pid)
    memory["runner"] = runner.memory_info().rss
    for child in runner.children(recursive=True):
        with contextlib.suppress(psutil.Error):
            memory[child.name()] += child.memory_full_info().uss
    tables: dict[str, Any] = {}
    for server, owner in place.owners.items():
        for name, size, live, dead in rows(owner, _TABLES):
            tables[f"{server}.{name}"] = {"bytes": size, "live": live, "dead": dead}
    ((outbox,),), ((age,),) = (
        rows(place.owners["write"], _OUTBOX),
        rows(place.owners["read"], _AGE),
    )
    return {
        "memory": dict(memory),
        "tables": tables,
        "outbox": float(outbox),
        "age_seconds": float(age),
    }


def run(
    orders: int, *, rate: float | None, seconds: float, every: float, kafka: str, build: Path
) -> dict[str, Any]:
    """Serve the workload for so long and look; return the result."""
    dataset = provide(orders, build=build)
    rate = rate or half_of_the_peak(build) or _RATE
    looks: list[dict[str, Any]] = []
    served: list[Served] = []
    with contest(dataset, kafka) as both:
        sample = both.sample()
        with both.place(OURS) as place, Crew(place, sample) as crew:
            thread = threading.Thread(
                target=lambda: served.append(crew.serve(rate, seconds, SEED)), daemon=True
            )
            began = time.monotonic()
            thread.start()
            while thread.is_alive():
                thread.join(every)
                looks.append({"at": time.monotonic() - began, **look(place)})
                say(f"{looks[-1]['at']:.0f} s: age {looks[-1]['age_seconds']:.1f} s")
    if not served:
        raise RuntimeError("the workload was not served to its end")
    told = summarise(served[0], looks, seconds)
    show(told)
    return {
        "seed": SEED,
        "dataset": dataset.made,
        "settings": {"rate": rate, "seconds": seconds, "workers": WORKERS, "mix": MIX},
        "summary": told,
        "samples": {"looks": looks, "minutes": by_minute(served[0])},
    }


def by_minute(served: Served) -> list[dict[str, Any]]:
    """Return each minute's latencies and errors: of every request it would be too much."""
    minutes: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for _, at, latency, status, _ in served.samples:
        minutes[int(at // 60)].append((latency, status))
    return [
        {
            "minute": minute,
            "requests": len(of_minute),
            "errors": sum(status >= 400 for _, status in of_minute),
            "latency_ms": {
                k: rounded(v, 4) for k, v in summary([ms for ms, _ in of_minute]).items()
            },
        }
        for minute, of_minute in sorted(minutes.items())
    ]


def summarise(served: Served, looks: list[dict[str, Any]], seconds: float) -> dict[str, Any]:
    """Return each figure after the warm-up and at the end: medians of a sixth of the time each."""
    sixth = seconds / 6
    after = [each for each in looks if sixth <= each["at"] < 2 * sixth] or looks[:1]
    end = [each for each in looks if 5 * sixth <= each["at"] <= seconds] or looks[-1:]

    def both(figure: Any) -> dict[str, float]:
        first, last = (statistics.median(figure(each) for each in part) for part in (after, end))
        return {"after_warm_up": first, "end": last}

    def of_requests(begin: float, until: float) -> dict[str, float]:
        return summary([s[2] for s in served.samples if begin <= s[1] < until])

    memory = {
        name: both(lambda each, name=name: each["memory"].get(name, 0) / 1e6)
        for name in looks[-1]["memory"]
    }
    tables = {
        name: {
            "megabytes": both(lambda each, name=name: each["tables"][name]["bytes"] / 1e6),
            "dead_share": both(lambda each, name=name: _dead_share(each["tables"][name])),
        }
        for name in looks[-1]["tables"]
    }
    return {
        "requests": len(served.samples),
        "errors": sum(status >= 400 for *_, status, _ in served.samples),
        "commands": sum(kind == COMMANDS for kind, *_ in served.samples),
        "latency_ms": {
            "after_warm_up": of_requests(sixth, 2 * sixth),
            "end": of_requests(5 * sixth, seconds),
        },
        "memory_megabytes": memory,
        "tables": tables,
        "age_seconds": both(lambda each: each["age_seconds"]),
        "outbox": both(lambda each: each["outbox"]),
    }


def _dead_share(table: dict[str, int]) -> float:
    return table["dead"] / max(1, table["live"] + table["dead"])


def show(told: dict[str, Any]) -> None:
    """Print what memory, latency and age have become."""
    say(f"\n{told['requests']:,} requests, {told['errors']} errors")
    for name, figures in told["memory_megabytes"].items():
        say(f"{name:20} {figures['after_warm_up']:8.0f} MB {figures['end']:8.0f} MB")
    first, last = (told["latency_ms"][when]["p99"] for when in ("after_warm_up", "end"))
    say(f"p99 {first:.1f} ms, {last:.1f} ms; age {told['age_seconds']} s")


def main() -> None:
    """Measure and write the result."""
    parser = parser_of(__doc__, ORDERS)
    parser.add_argument("--rate", type=float, help="of requests per second; half of the peak")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--every", type=float, default=EVERY_SECONDS, help="seconds between looks")
    asked = parser.parse_args()
    run_benchmark("soak", lambda: run(**vars(asked)), asked.build)


if __name__ == "__main__":
    main()
