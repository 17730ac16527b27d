"""The report's sections, one of each benchmark's result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from . import plots
from .asked import KINDS
from .pages import Section, Table, spread_of
from .productivity import recipes
from .sides import OURS, SIDES, THEIRS

if TYPE_CHECKING:
    from collections.abc import Mapping


_KEYS: Final = ("mean", "p50", "p95", "p99")


def complex_queries(result: Mapping[str, Any]) -> Section:
    """Return each question on both sides, and how the mean grows."""
    summary = result["summary"]
    size, largest = [*summary.items()][-1]
    shown = f"{int(size):,}"
    rows = [
        (
            kind if KINDS[kind].is_complex else f"{kind} (not complex)",
            *(f"{figures[THEIRS][key]:.2f}" for key in _KEYS),
            *(f"{figures[OURS][key]:.2f}" for key in _KEYS),
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


def database_cpu(result: Mapping[str, Any]) -> Section:
    """Return what a request costs."""
    told, settings = result["summary"], result["settings"]
    names = [n for n in told[OURS] if n not in ("requests", "errors")]
    rows = [
        (
            name.replace("_", " ").replace("cpu ms per request", "ms of processor time:"),
            *(spread_of(told[side].get(name)) for side in SIDES),
        )
        for name in names
    ]
    ratios = [(name.replace("_", " "), spread_of(each)) for name, each in told["ratios"].items()]
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


def peak(result: Mapping[str, Any]) -> Section:
    """Return the highest rates, and what multiples of them do."""
    told, settings = result["summary"], result["settings"]
    highest = [(side, spread_of(told["highest"][side])) for side in SIDES]
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
            f"Ratio: {spread_of(told['ratio'])}.",
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
        ("the relay, events/s", spread_of(told["relay"]), "≥ 5,000"),
        ("kafka-python alone, records/s", spread_of(told["producer"]), ""),
        ("ratio", spread_of(told["ratio"]), "≥ 0.8"),
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
