"""The review report: `make report` → docs/review/, of the results that benchmarks have left.

Every number comes from a result's file; what was not measured is said to be missing. The HTML page
is one file, with its plots in it.
"""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any, Final

from infra.local.settings import ROOT

from . import plots
from .asked import KINDS
from .measuring import parser_of, read_result, say
from .pages import Plot, Section, Table, as_html, as_markdown
from .productivity import recipes
from .sides import OURS, SIDES, THEIRS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

REVIEW: Final = ROOT / "docs" / "review"
TITLE: Final = "Commands and queries apart: the decision reviewed by its measures"
_NAMES: Final = ("complex_queries", "database_cpu", "peak", "freshness", "relay", "post_time")
_MISSING: Final = "not measured yet"
_METHOD: Final = (
    "Both sides have the same orders, taken from TPC-H and led through their lives, and the same"
    " functions around their statements. Before anything is timed, their answers to questions of"
    " every kind are compared; a difference ends the benchmark without a figure. Runs of the two"
    " sides alternate on one machine, and ratios are of one run."
)
_FAIR: Final = (
    "What was done to make the unified model fast: every list has an index in its order; a"
    " customer's sums, postings and tasks are answered from covering indexes; words are found by"
    " trigram indexes, after a glance at the first orders, as on the read side; an order is loaded"
    " and written in one statement each; totals, statuses and postings of accounting are stored."
    " Its server has as much memory as the other side's two together."
    " [Its statements' plans](../../tests/benchmarks/unified/plans.txt) are kept."
)
_NOT_PROVEN: Final = (
    (
        "Everything ran on one machine, whose cores the databases, functions, broker and workers"
        " share. The read model's side does with them what it would have others for."
    ),
    (
        "Nothing ran on AWS: there is no network between the parts, no proxy, no Aurora, and no"
        " environment starts under load."
    ),
    "The workload is made up: its mix of questions and commands is not that of the company.",
    "The unified model is ours, too: one that has grown for years would lack some of its indexes.",
)


def _ratio(value: float | None) -> str:
    return _MISSING if value is None else f"{value:.2f}"


class Results:
    """What benchmarks have left."""

    def __init__(self, directory: Path) -> None:
        self._found = {name: read_result(name, directory=directory) for name in _NAMES}

    def get(self, name: str) -> dict[str, Any] | None:
        return self._found[name]

    def all(self) -> dict[str, dict[str, Any]]:
        return {name: result for name, result in self._found.items() if result is not None}


def decision(results: Results) -> Section:
    """Return the four measures of the decision, each with its target and what came of it."""
    queries, cpu, peak = (results.get(n) for n in ("complex_queries", "database_cpu", "peak"))
    largest = None if queries is None else [*queries["summary"].values()][-1]["ratio"]
    cpu_ratio = None if cpu is None else cpu["summary"]["ratios"]["database_cpu"]["median"]
    peak_ratio = None if peak is None else peak["summary"]["ratio"]["median"]
    by_hand = max(recipe.files for recipe in recipes())
    rows = [
        (
            "Mean time of complex queries, of the unified model's",
            "≤ 0.50",
            "≤ 0.05",
            _ratio(largest),
        ),
        ("Highest sustained rate, of the unified model's", "≥ 3", "≥ 10", _ratio(peak_ratio)),
        (
            "Databases' processor time, of the unified model's",
            "≤ 0.60",
            "≤ 0.25",
            _ratio(cpu_ratio),
        ),
        ("Files by hand for a new feature, at most", "few", "6", str(by_hand)),
    ]
    return Section(
        "The decision's measures",
        [
            _METHOD,
            _FAIR,
            Table(("Measure", "Decided", "Goal", "Measured"), rows),
        ],
    )


def complex_queries(result: Mapping[str, Any]) -> Section:
    """Return each question on both sides, and how the mean grows."""
    summary = result["summary"]
    size, largest = [*summary.items()][-1]
    shown = f"{int(size):,}"
    rows = [
        (
            kind if KINDS[kind].is_complex else f"{kind} (not complex)",
            *(f"{figures[THEIRS][key]:.2f}" for key in ("mean", "p50", "p95", "p99")),
            *(f"{figures[OURS][key]:.2f}" for key in ("mean", "p50", "p95", "p99")),
            f"{figures['ratio']['median']:.2f}",
        )
        for kind, figures in largest["kinds"].items()
    ]
    head = (
        "Question",
        *(f"{side} {key}" for side in ("unified", "read") for key in _KEYS),
        "ratio",
    )
    means = {each: told["complex_means"] for each, told in summary.items()}
    growing = [
        (f"{int(each):,}", *(f"{of[side]:.2f}" for side in SIDES), f"{summary[each]['ratio']:.2f}")
        for each, of in means.items()
    ]
    return Section(
        "Complex queries",
        [
            (
                f"Milliseconds from API Gateway's event to the handler's answer, {shown} orders,"
                f" {result['rounds'] * result['repetitions']} times each;"
                f" {sum(result['answers_compared'].values()):,} answers were compared before."
            ),
            plots.questions(largest["kinds"], shown),
            Table(head, rows),
            Table(("Orders", *(f"{side}, mean ms" for side in SIDES), "ratio"), growing),
            plots.growth(means),
        ],
    )


_KEYS: Final = ("mean", "p50", "p95", "p99")


def database_cpu(result: Mapping[str, Any]) -> Section:
    """Return what a request costs."""
    told, settings = result["summary"], result["settings"]
    names = [n for n in told[OURS] if n not in ("requests", "errors")]
    rows = [
        (
            name.replace("_", " ").replace("cpu ms per request", "ms of processor time:"),
            *(_spread(told[side].get(name)) for side in SIDES),
        )
        for name in names
    ]
    ratios = [(name.replace("_", " "), _spread(each)) for name, each in told["ratios"].items()]
    return Section(
        "Databases' processor time",
        [
            (
                f"A request on average, at {settings['rate']:g} requests per second for"
                f" {settings['seconds']:g} s; medians of the runs, with the least and the most."
                f" Errors: {', '.join(str(told[side]['errors']) for side in SIDES)}."
            ),
            Table(("Of a request", *SIDES), rows),
            Table(("Read model's of the unified model's", "ratio"), ratios),
        ],
    )


def _spread(value: Mapping[str, float] | None) -> str:
    if value is None:
        return ""
    return f"{value['median']:,.2f} ({value['least']:,.2f} to {value['most']:,.2f})"


def peak(result: Mapping[str, Any]) -> Section:
    """Return the highest rates, and what multiples of them do."""
    told, settings = result["summary"], result["settings"]
    highest = [(side, _spread(told["highest"][side])) for side in SIDES]
    multiples = [
        (
            f"{factor} x",
            f"{each['rate']:.0f}",
            *(f"{each['latency_ms'][key]:.0f}" for key in ("p50", "p99", "max")),
            str(each["errors"]),
            *(f"{each['age_ms'][key]:.0f}" for key in ("p50", "p99")),
            "yes" if each["sustained"] else "no",
        )
        for factor, each in told["multiples"].items()
    ]
    head = ("Of the unified model's", "requests/s", "p50, ms", "p99", "max", "errors")
    return Section(
        "Peak",
        [
            (
                f"Sustained: 99 % within {settings['objective_p99_ms']:g} ms of their arrival,"
                f" and no errors, for {settings['seconds']:g} s, by {settings['workers']} workers."
            ),
            Table(("Highest sustained rate", "requests/s"), highest),
            f"Ratio: {_spread(told['ratio'])}.",
            plots.rates(result["samples"]["tried"], settings["objective_p99_ms"]),
            Table((*head, "age p50, ms", "age p99", "sustained"), multiples),
        ],
    )


def freshness(result: Mapping[str, Any]) -> Section:
    """Return when a command is seen."""
    rows = [
        (
            f"{name}, {rate} requests/s",
            *(f"{figures[key]:.0f}" for key in ("p50", "p95", "p99", "max")),
        )
        for rate, names in result["summary"].items()
        for name, figures in names.items()
    ]
    return Section(
        "Freshness",
        [
            (
                "Milliseconds from a command's answer until a read model has it, while the workload"
                " arrives; and from a producer to a consumer of the same broker."
            ),
            Table(("Read model", "p50", "p95", "p99", "max"), rows),
        ],
    )


def relay(result: Mapping[str, Any]) -> Section:
    """Return what the relay adds to sending records."""
    told = result["summary"]
    rows = [
        ("the relay, events/s", _spread(told["relay"]), "≥ 5,000"),
        ("kafka-python alone, records/s", _spread(told["producer"]), ""),
        ("ratio", _spread(told["ratio"]), "≥ 0.8"),
    ]
    return Section(
        "The relay against its limit",
        [
            (
                f"{told['events']:,} events from the outbox to a topic, and the same records by the"
                f" producer alone, by turns, {result['rounds']} times after a warm-up."
            ),
            Table(("One process", "median (least to most)", "goal"), rows),
        ],
    )


def post_time(result: Mapping[str, Any]) -> Section:
    """Return what placing an order takes on one machine, and which parts take it."""
    summary = result["summary"]
    parts = ["runner", "Kafka", "the write database", "the read database", "function PlaceOrder"]
    relayed = "function PublishEvents"
    rows = []
    for name, told in summary.items():
        cpu = dict(told["cpu_ms"])
        shown = [cpu.pop(part, 0.0) for part in [*parts, relayed]]
        others = sum(cpu.values())
        latency = told["latency_ms"]
        cells = [told["rate"], latency["p50"], latency["p99"], *shown, others]
        rows.append((name, *(f"{cell:.1f}" for cell in cells)))
    head = ("Clients", "orders/s", "p50, ms", "p99", "runner and gateway", *parts[1:4])
    return Section(
        "Where a POST's time goes on one machine",
        [
            (
                "Orders are placed through the gateway, one at a time by each client; milliseconds"
                " of processor time per order are of each part of the stack, whose processes all"
                " share the cores. The same while parts behind the command stand still says what a"
                " command would take without them; their backlog is left out of these figures."
            ),
            Table((*head, "the command", "the relay", "projectors and others"), rows),
        ],
    )


def productivity() -> Section:
    """Return what is written by hand for each recipe."""
    rows = [
        (
            recipe.what,
            str(recipe.files),
            str(recipe.lines),
            str(recipe.lines_of_tests),
            f"{recipe.files_of_read_side} / {recipe.lines_of_read_side}",
        )
        for recipe in recipes()
    ]
    head = ("To add", "files", "lines", "of these tests", "read side alone: files / lines")
    return Section(
        "Developer productivity",
        [
            (
                "Counted in the recipes of CONTRIBUTING.md, which tests carry out. A question asked"
                " of the unified model needs the same files but those of the read side alone: the"
                " projector and its migration."
            ),
            Table(head, rows),
        ],
    )


def where_it_ran(results: Results) -> Section:
    """Return environments, seeds and data sets."""
    rows = [
        (
            f"[{name}](data/{name}.json.gz)",
            result["environment"]["measured_at"],
            result["environment"]["commit"],
            f"{result['environment']['cores']} x {result['environment']['processor']}",
            str(result["seed"]),
        )
        for name, result in results.all().items()
    ]
    head = ("Result, with raw samples", "when", "commit", "processor", "seed")
    missing = [name for name in _NAMES if results.get(name) is None]
    said = f"Not measured: {', '.join(missing)}." if missing else "Everything was measured."
    return Section("What it rests on", [said, Table(head, rows)])


_SECTIONS: Final[Mapping[str, Callable[[Mapping[str, Any]], Section]]] = {
    "complex_queries": complex_queries,
    "database_cpu": database_cpu,
    "peak": peak,
    "freshness": freshness,
    "relay": relay,
    "post_time": post_time,
}


def write_report(results: Results, directory: Path) -> None:
    """Write the Markdown page with its plots, the HTML page, and the raw data."""
    sections = [
        decision(results),
        *(_SECTIONS[name](result) for name, result in results.all().items()),
        productivity(),
        Section("What is not proven", ["\n".join(f"- {each}" for each in _NOT_PROVEN)]),
        where_it_ran(results),
    ]
    data = directory / "data"
    data.mkdir(parents=True, exist_ok=True)
    for section in sections:
        for part in section.parts:
            if isinstance(part, Plot):
                (directory / f"{part.name}.svg").write_text(part.svg)
    (directory / "README.md").write_text(as_markdown(TITLE, sections))
    (directory / "review.html").write_text(as_html(TITLE, sections))
    for name, result in results.all().items():
        packed = gzip.compress(json.dumps(result).encode(), mtime=0)
        (data / f"{name}.json.gz").write_bytes(packed)


def main() -> None:
    """Write the report of what there is."""
    parser = parser_of(__doc__, None)
    results = Results(parser.parse_args().build)
    write_report(results, REVIEW)
    say(f"written to {REVIEW}")


if __name__ == "__main__":
    main()
