"""The report's sections on the loops: what each costs beside the least that its work could cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .pages import Section, Table, spread_of
from .scale_model.measured import LARGE_BATCH
from .sides import OURS

if TYPE_CHECKING:
    from collections.abc import Mapping

    Results = Mapping[str, Mapping[str, Any]]


def against_limits(results: Results) -> Section:
    """Return every loop's figure beside its goal, of the benchmarks that have run."""
    rows: list[tuple[str, str, str]] = []
    if (commands := results.get("commands")) is not None:
        ratio = commands["summary"]["ratio_of_medians"]
        rows.append(("commands' handlers, of their bare statements", "≤ 1.5", f"{ratio:.2f}"))
    if (queries := results.get("queries")) is not None:
        told = queries["summary"]
        sizes = [f"{int(size):,}" for size in told["medians_ms"]]
        rows += [
            ("questions' handlers, of their bare statements", "≤ 1.5", f"{told['ratio']:.2f}"),
            (
                f"all questions of {sizes[-1]} orders, of {sizes[0]}",
                "≤ 1.2",
                f"{told['growth']:.2f}",
            ),
        ]
    if (relay := results.get("relay")) is not None:
        told = relay["summary"]
        rows += [
            ("the relay, events/s", "≥ 5,000", f"{told['relay']['median']:,.0f}"),
            ("the relay, of kafka-python alone", "≥ 0.8", f"{told['ratio']['median']:.2f}"),
        ]
    if (projectors := results.get("projectors")) is not None:
        large = _of_batch(projectors, LARGE_BATCH)
        slowest = min(large, key=lambda each: 1 / each["processor"])
        rows.append(
            (
                (
                    f"the slowest projector ({slowest['read_model']}) at batches of {LARGE_BATCH},"
                    " events per second of its processor time"
                ),
                "≥ 20,000",
                f"{1e6 / slowest['processor']:,.0f}",
            )
        )
    if (starts := results.get("cold_start")) is not None:
        most = max(each["median"] for each in starts["summary"].values())
        rows.append(("the slowest function's Init Duration, ms", "≤ 250", f"{most:.0f}"))
    rows += _freshness_at_half_of_the_peak(results)
    return Section(
        "Every loop against its limit",
        [Table(("Loop", "Goal", "Measured"), rows)],
    )


def _freshness_at_half_of_the_peak(results: Results) -> list[tuple[str, str, str]]:
    peak, freshness = results.get("peak"), results.get("freshness")
    if peak is None or freshness is None:
        return []
    half = peak["summary"]["highest"][OURS]["median"] / 2
    told = freshness["summary"]
    rate = min(told, key=lambda each: abs(float(each) - half))
    most = max(figures["p99"] for name, figures in told[rate].items() if name != "broker")
    what = (
        f"command → visible, p99 of the slowest read model, ms, at {rate} requests/s"
        f" (half of the peak is {half:.0f})"
    )
    return [(what, "< 100", f"{most:.0f}")]


def _of_batch(projectors: Mapping[str, Any], size: int) -> list[Mapping[str, Any]]:
    return [
        each
        for each in projectors["summary"]["batches"]
        if each["batch"] == size and each["generations"] == 1
    ]


def commands(result: Mapping[str, Any]) -> Section:
    """Return each command's handler beside its statements."""
    rows = [
        (
            stem,
            str(of["trips"]),
            *(f"{of[side][key]:.2f}" for side in ("handler", "bare") for key in ("p50", "p99")),
            f"{of['handler']['p50'] / of['bare']['p50']:.2f}",
        )
        for stem, of in result["summary"]["commands"].items()
    ]
    head = ("Command", "round trips", "handler p50, ms", "p99", "statements p50", "p99", "ratio")
    return Section(
        "Commands beside their statements",
        [
            (
                f"{result['lives']} orders go through their lives, each command by its handler in"
                " one process, and a twin through the same statements by a bare psycopg2 cursor, by"
                " turns, with durable commits. Of a whole life:"
                f" {spread_of(result['summary']['ratio'])} times."
            ),
            Table(head, rows),
        ],
    )


def queries(result: Mapping[str, Any]) -> Section:
    """Return each question's handler beside its statement, and how it grows."""
    told = result["summary"]
    medians = told["medians_ms"]
    *_, most = medians
    rows = [
        (
            what,
            *(f"{of_size[what]['handler']:.2f}" for of_size in medians.values()),
            f"{told['growth_of_each'][what]:.2f}",
            f"{cost['bare']:.2f}",
            f"{cost['handler'] / cost['bare']:.2f}",
        )
        for what, cost in medians[most].items()
    ]
    sizes = [f"{int(size):,} orders" for size in medians]
    return Section(
        "Questions beside their statements",
        [
            (
                f"Medians of {result['rounds']} rounds, in milliseconds, of read sides that are"
                " made for it, with customers and words of every frequency. The last two columns"
                " are of the largest."
            ),
            Table(("Question", *sizes, "growth", "statement", "ratio"), rows),
        ],
    )


def projectors(result: Mapping[str, Any]) -> Section:
    """Return what an event costs each projector, and how fast read models are filled."""
    rows = [
        (
            f"{each['read_model']}, {each['generations']} generation(s)",
            str(each["batch"]),
            f"{each['applied']:,.0f}",
            f"{each['processor']:,.0f}",
            f"{each['database']:,.0f}",
            f"{each['bare']:,.0f}",
        )
        for each in result["summary"]["batches"]
    ]
    head = ("Read model", "batch", "events/s", "its µs", "the database's", "execute_values, rows/s")
    fills = [(name, spread_of(of, 0)) for name, of in result["summary"]["fill"].items()]
    return Section(
        "Projectors and fills",
        [
            (
                "Events of random lives, by each projector's handler in one process, with durable"
                f" commits; medians of {result['rounds']} rounds. Microseconds are of processor"
                " time per event. Beside it, psycopg2's `execute_values` writes the documents that"
                " come of it: no decoding, folding, positions or checks."
            ),
            Table(head, rows),
            Table(("Fill from the log", "events/s"), fills),
        ],
    )


def cold_start(result: Mapping[str, Any]) -> Section:
    """Return how long functions take to be ready."""
    ordered = sorted(result["summary"].items(), key=lambda item: item[1]["median"])
    rows = [(stem, spread_of(told, 0)) for stem, told in ordered]
    return Section(
        "Cold starts",
        [
            (
                "Init Duration in milliseconds, from the process's start to its first request for"
                f" an invocation; {result['rounds']} starts of each function, one at a time."
            ),
            Table(("Function", "median (least to most)"), rows),
        ],
    )


def contention(result: Mapping[str, Any]) -> Section:
    """Return what becomes of commands that meet."""
    settings = result["settings"]
    rows = [
        (
            f"{number}, {side}",
            spread_of(told["done_per_second"], 0),
            f"{told['refused_share']['median']:.1%}",
            spread_of(told["latency_p99_ms"], 1),
        )
        for number, of_sides in result["summary"].items()
        for side, told in of_sides.items()
    ]
    return Section(
        "Commands that meet on the same orders",
        [
            (
                f"{settings['workers']} workers change the quantities of so many orders' lines as"
                f" fast as they are answered, for {settings['seconds']:g} s,"
                f" {settings['repetitions']} times; the rest of the system stands still. What is"
                " refused (409) has lost six races in succession."
            ),
            Table(("Orders, side", "done/s", "refused", "p99, ms"), rows),
        ],
    )


def soak(result: Mapping[str, Any]) -> Section:
    """Return whether anything has grown."""
    told, settings = result["summary"], result["settings"]
    latency = told["latency_ms"]
    rows = [
        ("latency p50, ms", *(f"{latency[when]['p50']:.1f}" for when in latency)),
        ("latency p99, ms", *(f"{latency[when]['p99']:.1f}" for when in latency)),
        ("age of the oldest read model, s", *(f"{v:.1f}" for v in told["age_seconds"].values())),
        ("rows in the outbox", *(f"{v:.0f}" for v in told["outbox"].values())),
        *(
            (f"memory of {name}, MB", *(f"{value:.0f}" for value in figures.values()))
            for name, figures in told["memory_megabytes"].items()
        ),
    ]
    tables = [
        (
            name,
            *(f"{value:,.1f}" for value in each["megabytes"].values()),
            *(f"{value:.0%}" for value in each["dead_share"].values()),
        )
        for name, each in told["tables"].items()
        if max(each["megabytes"].values()) >= 1
    ]
    return Section(
        "Soak",
        [
            (
                f"{settings['rate']:g} requests per second for {settings['seconds'] / 60:.0f}"
                f" minutes: {told['requests']:,} requests, of them {told['commands']:,} commands;"
                f" {told['errors']} errors. Figures are of the second sixth of the time, and of the"
                " last."
            ),
            Table(("Figure", "after the warm-up", "at the end"), rows),
            "Tables of a megabyte and more; each order that is placed adds its rows.",
            Table(("Table", "MB then", "MB at the end", "dead rows then", "at the end"), tables),
        ],
    )
