"""What a function's test declares about it, found by the function's stem.

A command's test has its ``SAMPLE``, which random lives send and documents show, and
``choose_request``; a query's test has its ``SAMPLE`` and ``example_rows``.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from infra.contracts.functions import ROOT, MissingDeclarationError, files_of, read_template

if TYPE_CHECKING:
    from types import ModuleType


_MEANINGS: Final = {
    "SAMPLE": "the fields of a request to the function",
    "CALLERS": "who may call it: one of the sets of scopes in tests/callers.py",
    "FIELDS": "what each field takes, by the kinds in tests/domain/fields.py",
    "choose_request": "a function from an order and a choice to a request",
    "weight": "a function from an order to how often random lives choose the command",
    "example_rows": "a function from documents by read model to the SQL's rows",
}
_NEEDED: Final = {
    "opening commands": ("SAMPLE", "CALLERS", "FIELDS"),
    "commands": ("SAMPLE", "CALLERS", "FIELDS", "choose_request", "weight"),
    "queries": ("SAMPLE", "CALLERS", "example_rows"),
}
"""What the test of each function declares, by the function's kind."""


def check_functions() -> None:
    """Check that every function has a block in template.yaml, and a test with its declarations.

    Raises:
        MissingDeclarationError: one does not; the message says what to write where.
    """
    handlers = {function.handler for function in read_template().functions.values()}
    for file in sorted((ROOT / "functions").glob("*/[a-z]*.py")):
        handler = f"{file.parent.name}.{file.stem}.handler"
        if handler not in handlers:
            raise MissingDeclarationError(f"template.yaml: add a block with `Handler: {handler}`")
    for kind in ("commands", "queries"):
        for function in files_of(kind):
            opens = kind == "commands" and function.handler.opens_an_order
            for name in _NEEDED["opening commands" if opens else kind]:
                declared(function.stem, name)


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


def declared(stem: str, name: str) -> Any:  # noqa: ANN401 - whatever is declared
    """Return what the test of a function declares by this name.

    Raises:
        MissingDeclarationError: nothing; the message says what it is for.
    """
    module = module_of_test(stem)
    if not hasattr(module, name):
        file = module.__name__.replace(".", "/") + ".py"
        raise MissingDeclarationError(f"{file}: declare `{name}`, {_MEANINGS[name]}")
    return getattr(module, name)


def sample(stem: str) -> dict[str, Any]:
    """Return the fields of a request to a command or query: of its path, query and body."""
    fields: dict[str, Any] = declared(stem, "SAMPLE")
    return fields


def sample_follows(stem: str) -> tuple[str, ...]:
    """Return the commands whose samples come before this one's, from the order's first on."""
    if stem == "place_order":
        return ()
    before: str = getattr(module_of_test(stem), "SAMPLE_FOLLOWS", "place_order")
    return (*sample_follows(before), before)
