"""docs/scale.md: what the model says, from its result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.benchmarks.pages import Section, Table

from . import limits

if TYPE_CHECKING:
    from collections.abc import Mapping

TITLE: Final = "How far the deployed system scales: a model"
_INTRODUCTION: Final = (
    "`make scale-model` simulates the deployed system with the service times that benchmarks have"
    " measured on one machine ([the review](review/README.md)) and with AWS's published limits."
    " Nothing was deployed: a figure here is a calculation, and stands or falls with what it is"
    " made of, which is listed at the end."
)


def sections(result: Mapping[str, Any]) -> list[Section]:
    """Return the page's sections."""
    told = result["summary"]
    return [
        Section("What it is", [_INTRODUCTION]),
        _validation(told["validation"]),
        _first(told),
        _needed(told),
        _costs(told),
        _watermarks(told),
        _given(result),
    ]


def _validation(told: Mapping[str, Any]) -> Section:
    highest = [
        (side, f"{of['measured']:.0f}", f"{of['predicted']:.0f}", f"{of['error']:+.0%}")
        for side, of in told["highest"].items()
    ]
    ratio = told["ratio"]
    highest.append(
        (
            "ratio",
            f"{ratio['measured']:.2f}",
            f"{ratio['predicted']:.2f}",
            f"{ratio['predicted'] / ratio['measured'] - 1:+.0%}",
        )
    )
    rows = [
        (
            each["side"],
            f"{each['rate']:.0f}",
            *(f"{each[f'{p}_{how}']:.0f}" for p in ("p50", "p99") for how in _HOW),
        )
        for each in told["latencies"]
    ]
    head = ("Side", "requests/s", "p50 measured, ms", "predicted", "p99 measured", "predicted")
    return Section(
        "Does it predict what was measured?",
        [
            (
                "The same service times, taken when nothing else ran or at a low rate, are put"
                " together to one machine with the cores of this one, on which requests, relaying"
                " and projecting share the processor. It has to find the highest rates of the peak"
                " benchmark, which it has not seen."
            ),
            Table(("Highest sustained rate", "measured", "predicted", "error"), highest),
            Table(head, rows),
        ],
    )


_HOW: Final = ("measured", "predicted")


def _first(told: Mapping[str, Any]) -> Section:
    parts: list[str | Table] = [
        (
            f"An order has {told['events_per_order']:.1f} events in its life, each by a command,"
            f" and {told['questions_per_order']:.0f} questions are asked meanwhile. Each part is"
            f" planned to be busy {limits.USABLE.value:.0%} of the time, and full beyond that."
        )
    ]
    for memory, needs in told["capacities"].items():
        ordered = sorted(needs, key=lambda each: each["orders_to_begin_with"])
        rows = [
            (
                each["part"],
                f"{each['begin_with']:,.0f} {each['unit']}",
                f"{each['orders_to_begin_with']:,.0f}",
                f"{each['orders_at_most']:,.0f}",
                each["to_raise"],
            )
            for each in ordered
        ]
        limit = min(needs, key=lambda each: each["orders_at_most"])
        parts += [
            (
                f"Functions with {memory} MB: first full is {ordered[0]['part']}, and when"
                f" everything is raised as far as it goes, {limit['part']}."
            ),
            Table(("Part", "to begin with", "orders/s", "raised: orders/s", "what to raise"), rows),
        ]
    return Section("What is full first", parts)


def _needed(told: Mapping[str, Any]) -> Section:
    rates = told["rates"]
    units = {each["part"]: each["unit"] for of in told["capacities"].values() for each in of}
    rows = [
        (
            f"{part}, {unit}",
            *(
                f"{each['needs'][part]:,.0f}{' !' if part in each['too_much'] else ''}"
                for each in rates
            ),
        )
        for part, unit in units.items()
    ]
    seen = [
        (f"command → visible, {key}, ms", *(f"{e['visible']['seen_ms'][key]:.0f}" for e in rates))
        for key in ("p50", "p99")
    ]
    batches = (
        "events of a batch",
        *(f"{each['visible']['events_of_a_batch']:.0f}" for each in rates),
    )
    surge = (
        "seconds until a surge to three times as many has its environments",
        *(f"{each['surge_seconds']:.0f}" for each in rates),
    )
    head = ("At orders/s", *(f"{each['orders']:,}" for each in rates))
    return Section(
        "What each rate needs",
        [
            (
                "With functions that have a whole core. What is marked with ! is more than there is"
                " in one deployment: then the customers are divided among several, each with its"
                " own databases, topic and functions."
            ),
            Table(head, [*rows, *seen, batches, surge]),
        ],
    )


def _costs(told: Mapping[str, Any]) -> Section:
    rates = told["rates"]
    rows = [
        (name, *(f"{each['usd_of_a_month'][name]:,.0f}" for each in rates))
        for name in rates[0]["usd_of_a_month"]
    ]
    sums = [sum(each["usd_of_a_month"].values()) for each in rates]
    per_million = [
        total / (each["orders"] * limits.MONTH_SECONDS) * 1e6
        for total, each in zip(sums, rates, strict=True)
    ]
    rows += [
        ("all", *(f"{total:,.0f}" for total in sums)),
        ("of a million orders", *(f"{each:,.2f}" for each in per_million)),
    ]
    head = ("USD of a month, at orders/s all the time", *(f"{e['orders']:,}" for e in rates))
    return Section("What it costs", [Table(head, rows)])


def _watermarks(told: Mapping[str, Any]) -> Section:
    rows = [
        (
            f"{each['read_models']}",
            f"{each['seconds']:g}",
            f"{each['invocations'] / 1e6:,.1f} million",
            f"{each['usd']:,.1f}",
        )
        for each in told["watermarks"]
    ]
    one = told["watermarks_of_one_function"]
    rows.append(
        (
            "all, by one function",
            "2",
            f"{one['invocations'] / 1e6:,.1f} million",
            f"{one['usd']:,.1f}",
        )
    )
    partitions = told["watermarks"][0]["partitions"]
    return Section(
        "What watermarks cost",
        [
            (
                "The relay writes the time into each partition every other second, so that answers"
                f" can say how old they are while nothing happens; with {partitions} partitions"
                " and nothing else to do that invokes each projector so often in a month:"
            ),
            Table(("Read models", "seconds between", "invocations", "USD"), rows),
            (
                "While events come, watermarks go along in their batches and cost nothing more. The"
                " pollers that event sources need all the time cost many times as much"
                f" (a poller unit: {limits.POLLER_HOUR.value * 730:,.0f} USD a month), and a group"
                " of event sources can share them. So: leave the interval, share the pollers"
                " (`PollerGroupName`), and put read models that are always wanted together into one"
                " function only if their number grows several times."
            ),
        ],
    )


def _given(result: Mapping[str, Any]) -> Section:
    rows = [(each["meaning"], f"{each['value']:,.10g}", each["source"]) for each in result["given"]]
    return Section(
        "What was not measured",
        [
            Table(("Given", "value", "source"), rows),
            (
                "Left out: what an environment's start takes, failures, data transfer, storage,"
                " logs, a skewed use of partitions, and that a Lambda's core is not this machine's."
            ),
        ],
    )
