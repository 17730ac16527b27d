"""What it takes to add a command, a query, a read model: counted in the recipes."""

from __future__ import annotations

from typing import Final, NamedTuple

from infra.local.settings import ROOT

_PATCHES: Final = ROOT / "tests" / "data" / "recipes"
_WHAT: Final = {
    "command": "a command with its event",
    "query": "a query with a read model of a row per order",
    "rows": "a query with a read model of several rows per order",
    "sums": "a query with a read model of sums",
}
_OF_THE_READ_SIDE: Final = ("functions/projectors/", "infra/migrations/read/")
"""What a question asked of the unified model would not need."""


class Recipe(NamedTuple):
    """Files and lines that are written by hand, and those that the read side alone needs."""

    what: str
    files: int
    lines: int
    lines_of_tests: int
    files_of_read_side: int
    lines_of_read_side: int


def recipes() -> list[Recipe]:
    """Count every recipe's patch."""
    return [_count(name, what) for name, what in _WHAT.items()]


def _count(name: str, what: str) -> Recipe:
    lines: dict[str, int] = {}
    file = ""
    for line in (_PATCHES / f"{name}.patch").read_text().splitlines():
        if line.startswith("+++ b/"):
            file = line.removeprefix("+++ b/")
            lines[file] = 0
        elif line.startswith("+"):
            lines[file] += 1
    of_read_side = [count for f, count in lines.items() if f.startswith(_OF_THE_READ_SIDE)]
    return Recipe(
        what=what,
        files=len(lines),
        lines=sum(lines.values()),
        lines_of_tests=sum(count for f, count in lines.items() if f.startswith("tests/")),
        files_of_read_side=len(of_read_side),
        lines_of_read_side=sum(of_read_side),
    )
