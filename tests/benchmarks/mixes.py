"""What other mixes of requests would cost the databases, from what was measured of each part.

A question's share of the processor time is taken to be its share of the handlers' time, and what
commands cost, relaying and projecting included, not to depend on the questions.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any, Final

from .pages import Section, Table
from .sides import OURS, SIDES, THEIRS
from .workload import COMMANDS, MIX

if TYPE_CHECKING:
    from collections.abc import Mapping

_SUMS: Final = (
    "sales of a month",
    "sales of a year",
    "top products of a month",
    "top products of a year",
    "customers by value",
    "customers by last order",
)
_QUESTION: Final = "ordering_query"


def _with(questions_to_a_command: float, sums: float = 1.0) -> dict[str, float]:
    """Return a mix: so many questions to a command, sums so many times as often as usual."""
    weights = {
        kind: weight * (sums if kind in _SUMS else 1.0)
        for kind, weight in MIX.items()
        if kind != COMMANDS
    }
    all_of_them = sum(weights.values())
    share = questions_to_a_command / (1 + questions_to_a_command)
    scaled = {kind: weight / all_of_them * share for kind, weight in weights.items()}
    return {COMMANDS: 1 - share, **scaled}


_USUAL: Final = sum(MIX.values()) / MIX[COMMANDS] - 1
_MIXES: Final = {
    "as measured": _with(_USUAL),
    "four questions to a command": _with(4),
    "twenty": _with(20),
    "fifty": _with(50),
    "as measured, without sums": _with(_USUAL, sums=0),
    "as measured, sums three times as often": _with(_USUAL, sums=3),
    "twenty questions to a command, sums three times as often": _with(20, sums=3),
}
"""Shares of all requests, by kind."""


class _Costs:
    """Milliseconds of the databases' processor time on one side."""

    def __init__(self, side: str, cpu: Mapping[str, Any], kinds: Mapping[str, Any]) -> None:
        runs = cpu["runs"][side]
        questions = statistics.median(
            run["cpu_of_roles"][_QUESTION] / (run["requests"] - run["commands"]) for run in runs
        )
        self.command = 1000 * statistics.median(
            (run["cpu"]["database"] - run["cpu_of_roles"][_QUESTION]) / run["commands"]
            for run in runs
        )
        means = {kind: kinds[kind][side]["mean"] for kind in MIX if kind != COMMANDS}
        usual = _with(_USUAL)
        of_handlers = sum(usual[kind] * mean for kind, mean in means.items())
        share = questions * 1000 * (1 - usual[COMMANDS]) / of_handlers
        self._of_kind = {kind: share * mean for kind, mean in means.items()}

    def of(self, mix: Mapping[str, float]) -> float:
        """Return what a request of the mix costs on average."""
        costs: dict[str, float] = {COMMANDS: self.command, **self._of_kind}
        return sum(share * costs[kind] for kind, share in mix.items())


def other_mixes(results: Mapping[str, Mapping[str, Any]]) -> list[Section]:
    """Return the section, if what it rests on was measured."""
    cpu, complex_queries = results.get("database_cpu"), results.get("complex_queries")
    if cpu is None or complex_queries is None:
        return []
    *_, largest = complex_queries["summary"].values()
    costs = {side: _Costs(side, cpu, largest["kinds"]) for side in SIDES}
    rows = []
    for name, mix in _MIXES.items():
        of = {side: costs[side].of(mix) for side in SIDES}
        rows.append((name, *(f"{of[s]:.2f}" for s in SIDES), f"{of[OURS] / of[THEIRS]:.2f}"))
    per_command = " and ".join(f"{costs[side].command:.1f}" for side in SIDES)
    return [
        Section(
            "The same with other mixes",
            [
                (
                    "Calculated from the parts that were measured: milliseconds of the databases'"
                    " processor time of a request on average. A command costs"
                    f" {per_command} ms ({' and '.join(SIDES)}), with relaying it, projecting it"
                    " into eight read models, and the servers' own work."
                ),
                Table(("Mix", *SIDES, "ratio"), rows),
            ],
        )
    ]
