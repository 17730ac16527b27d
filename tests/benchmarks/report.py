"""The review report: `make report` → docs/review/, of the results that benchmarks have left.

Every number comes from a result's file; what was not measured is said to be missing. The HTML page
is one file, with its plots in it.
"""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any, Final

from infra.local.settings import ROOT

from . import loops, sections
from .measuring import parser_of, read_result, say
from .mixes import other_mixes
from .pages import Plot, Section, Table, as_html, as_markdown
from .productivity import recipes
from .scale_model import page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

REVIEW: Final = ROOT / "docs" / "review"
TITLE: Final = "Commands and queries apart: the decision reviewed by its measures"
BEFORE: Final = REVIEW / "before"
"""Results from before the changes that were made because of them."""
SCALE: Final = ROOT / "docs" / "scale.md"
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

    def __init__(self, directory: Path, names: Iterable[str]) -> None:
        self._found = {name: read_result(name, directory=directory) for name in names}

    def get(self, name: str) -> dict[str, Any] | None:
        return self._found[name]

    def all(self) -> dict[str, dict[str, Any]]:
        return {name: result for name, result in self._found.items() if result is not None}


def ratios(found: Mapping[str, Any]) -> list[str]:
    """Return the decision's three ratios: of complex queries, the peak, and processor time."""
    queries, peak, cpu = (found.get(n) for n in ("complex_queries", "peak", "database_cpu"))
    return [
        _ratio(queries and [*queries["summary"].values()][-1]["ratio"]),
        _ratio(peak and peak["summary"]["ratio"]["median"]),
        _ratio(cpu and cpu["summary"]["ratios"]["database_cpu"]["median"]),
    ]


def decision(results: Results, before: Mapping[str, Any]) -> Section:
    """Return the four measures of the decision, each with its target and what came of it."""
    by_hand = max(recipe.files for recipe in recipes())
    targets = [
        ("Mean time of complex queries, of the unified model's", "≤ 0.50", "≤ 0.05"),
        ("Highest sustained rate, of the unified model's", "≥ 3", "≥ 10"),
        ("Databases' processor time, of the unified model's", "≤ 0.60", "≤ 0.25"),
    ]
    rows = [
        (*target, then, now)
        for target, then, now in zip(targets, ratios(before), ratios(results.all()), strict=True)
    ]
    rows.append(("Files by hand for a new feature, at most", "few", "6", "", str(by_hand)))
    commits = sorted({result["environment"]["commit"] for result in before.values()})
    return Section(
        "The decision's measures",
        [
            _METHOD,
            _FAIR,
            Table(("Measure", "Decided", "Goal", "Before", "Measured"), rows),
            (
                f"Before: at {', '.join(commits)}, when the first figures showed what to improve"
                " ([their data](before))."
                if commits
                else ""
            ),
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
    missing = [name for name in _SECTIONS if results.get(name) is None]
    said = f"Not measured: {', '.join(missing)}." if missing else "Everything was measured."
    return Section("What it rests on", [said, Table(head, rows)])


_SECTIONS: Final[Mapping[str, Callable[[Mapping[str, Any]], Section]]] = {
    "complex_queries": sections.complex_queries,
    "database_cpu": sections.database_cpu,
    "peak": sections.peak,
    "freshness": sections.freshness,
    "relay": sections.relay,
    "commands": loops.commands,
    "queries": loops.queries,
    "projectors": loops.projectors,
    "cold_start": loops.cold_start,
    "contention": loops.contention,
    "soak": loops.soak,
    "post_time": sections.post_time,
}


def write_report(results: Results, directory: Path) -> None:
    """Write the Markdown page with its plots, the HTML page, and the raw data."""
    written = [
        decision(results, read_before()),
        loops.against_limits(results.all()),
        *(
            section
            for name, result in results.all().items()
            for section in (
                _SECTIONS[name](result),
                *(other_mixes(results.all()) if name == "database_cpu" else []),
            )
        ),
        sections.productivity(),
        Section("What is not proven", ["\n".join(f"- {each}" for each in _NOT_PROVEN)]),
        where_it_ran(results),
    ]
    data = directory / "data"
    data.mkdir(parents=True, exist_ok=True)
    for section in written:
        for part in section.parts:
            if isinstance(part, Plot):
                (directory / f"{part.name}.svg").write_text(part.svg)
    (directory / "README.md").write_text(as_markdown(TITLE, written))
    (directory / "review.html").write_text(as_html(TITLE, written))
    for name, result in results.all().items():
        packed = gzip.compress(json.dumps(result).encode(), mtime=0)
        (data / f"{name}.json.gz").write_bytes(packed)


def read_before() -> dict[str, Any]:
    """Read the results from before, by name."""
    return {
        path.name.partition(".")[0]: json.loads(gzip.decompress(path.read_bytes()))
        for path in sorted(BEFORE.glob("*.json.gz"))
    }


def main() -> None:
    """Write the report of what there is, and the scale model's page if it has run."""
    directory = parser_of(__doc__, None).parse_args().build
    write_report(Results(directory, _SECTIONS), REVIEW)
    say(f"written to {REVIEW}")
    if (scale := read_result("scale", directory=directory)) is not None:
        SCALE.write_text(as_markdown(page.TITLE, page.sections(scale)))
        say(f"written to {SCALE}")


if __name__ == "__main__":
    main()
