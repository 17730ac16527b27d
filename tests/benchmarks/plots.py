"""The report's plots, drawn by matplotlib."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure

from .pages import Plot
from .sides import OURS, SIDES, THEIRS

if TYPE_CHECKING:
    from collections.abc import Mapping

_COLOURS: Final = {OURS: "#1b6ca8", THEIRS: "#c8553d"}
# The same drawing is the same file, so that a report is not changed by being made again.
_FIXED: Final[dict[Any, Any]] = {"svg.hashsalt": "ordering", "svg.fonttype": "none"}


def _drawn(figure: Figure, name: str, caption: str) -> Plot:
    file = io.StringIO()
    with mpl.rc_context(_FIXED):
        figure.savefig(file, format="svg", bbox_inches="tight", metadata={"Date": None})
    text = file.getvalue()
    return Plot(name, caption, text[text.index("<svg") :])


def questions(kinds: Mapping[str, Any], orders: str) -> Plot:
    """Draw the mean of every question on both sides, on a logarithmic scale."""
    figure = Figure(figsize=(8, 0.3 * len(kinds) + 1))
    axes = figure.add_subplot()
    for number, side in enumerate(SIDES):
        at = [place + 0.2 - 0.4 * number for place in range(len(kinds))]
        means = [figures[side]["mean"] for figures in kinds.values()]
        axes.barh(at, means, height=0.38, color=_COLOURS[side], label=side)
    axes.set_yticks(range(len(kinds)), [*kinds])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("milliseconds, mean")
    axes.legend()
    return _drawn(
        figure, "questions", f"Every question of {orders} orders; the scale is logarithmic."
    )


def growth(means: Mapping[str, Mapping[str, float]]) -> Plot:
    """Draw the mean of complex questions by the number of orders."""
    figure = Figure(figsize=(6, 3.2))
    axes = figure.add_subplot()
    for side in SIDES:
        sizes = [int(size) for size in means]
        axes.plot(
            sizes, [each[side] for each in means.values()], "o-", color=_COLOURS[side], label=side
        )
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("orders")
    axes.set_ylabel("ms, mean of complex questions")
    axes.legend()
    return _drawn(figure, "growth", "How the mean of complex questions grows with the orders.")


def rates(tried: Mapping[str, list[Mapping[str, Any]]], objective: float) -> Plot:
    """Draw the 99th percentile at every rate that was tried."""
    figure = Figure(figsize=(6, 3.2))
    axes = figure.add_subplot()
    for side in SIDES:
        points = sorted((each["rate"], each["latency_ms"]["p99"]) for each in tried[side])
        axes.plot(*zip(*points, strict=True), "o", color=_COLOURS[side], label=side, alpha=0.7)
    axes.axhline(objective, color="#777777", linestyle="--", label="objective")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("requests per second")
    axes.set_ylabel("ms, 99th percentile")
    axes.legend()
    return _drawn(figure, "rates", "The 99th percentile at every rate that was tried.")
