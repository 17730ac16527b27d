"""What a function's test declares about it, found by the function's stem.

A command's test has its ``SAMPLE``, which random lives send and documents show, and
``choose_request``; a query's test has its ``SAMPLE`` and ``example_rows``.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import TYPE_CHECKING, Any

from infra.contracts.functions import ROOT, MissingDeclarationError

if TYPE_CHECKING:
    from types import ModuleType


@cache
def module_of_test(stem: str) -> ModuleType:
    """Import the test of a function.

    Raises:
        MissingDeclarationError: there is none, or there are several.
    """
    found = sorted((ROOT / "tests").glob(f"*/test_{stem}.py"))
    if len(found) != 1:
        raise MissingDeclarationError(f"write tests/<folder>/test_{stem}.py, once")
    name = ".".join(found[0].relative_to(ROOT).with_suffix("").parts)
    return importlib.import_module(name)


def declared(stem: str, name: str, meaning: str) -> Any:  # noqa: ANN401 - whatever is declared
    """Return what the test of a function declares by this name.

    Raises:
        MissingDeclarationError: nothing; the message says what it is for (``meaning``).
    """
    module = module_of_test(stem)
    if not hasattr(module, name):
        file = module.__name__.replace(".", "/") + ".py"
        raise MissingDeclarationError(f"{file}: declare `{name}`, {meaning}")
    return getattr(module, name)


def sample(stem: str) -> dict[str, Any]:
    """Return the fields of a request to a command or query: of its path, query and body."""
    fields: dict[str, Any] = declared(stem, "SAMPLE", "the fields of a request to the function")
    return fields


def sample_follows(stem: str) -> tuple[str, ...]:
    """Return the commands whose samples come before this one's, from the order's first on."""
    if stem == "place_order":
        return ()
    before: str = getattr(module_of_test(stem), "SAMPLE_FOLLOWS", "place_order")
    return (*sample_follows(before), before)
