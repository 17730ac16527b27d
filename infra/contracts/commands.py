"""The commands and queries that there are, read from their files."""

from __future__ import annotations

import ast
import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ordering.errors import Refusal

if TYPE_CHECKING:
    from types import ModuleType

_FUNCTIONS: Final = Path(__file__).parents[2] / "functions"


@dataclass(frozen=True)
class HttpFile:
    """One function behind a route: its stem, what its first line says, and its module."""

    stem: str
    route: str
    meaning: str
    module: ModuleType

    @property
    def handler(self) -> Any:  # noqa: ANN401 - a CommandFunction or a QueryFunction of any model
        """What Lambda calls."""
        return self.module.handler

    @property
    def refusals(self) -> list[Refusal]:
        """The named refusals that the rule may answer, by their codes."""
        found = {r.code: r for r in vars(self.module).values() if isinstance(r, Refusal)}
        return [found[code] for code in sorted(found)]


def files_of(kind: str) -> list[HttpFile]:
    """Give the functions of a kind, ``commands`` or ``queries``, by their stems."""
    return [
        _read(kind, file)
        for file in sorted((_FUNCTIONS / kind).glob("*.py"))
        if file.name != "__init__.py"
    ]


def _read(kind: str, file: Path) -> HttpFile:
    line = (ast.get_docstring(ast.parse(file.read_text())) or "").partition("\n")[0]
    route, _, meaning = line.partition(": ")
    return HttpFile(file.stem, route, meaning, importlib.import_module(f"{kind}.{file.stem}"))
