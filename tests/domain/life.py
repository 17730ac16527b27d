"""Random lives of an order: what is asked of it, step by step.

What is asked depends on a few small numbers and on the order as it is, so that a life goes on where
nearly every blindly chosen command would be refused; one step in three asks for something wrong.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.domain.choices import Choice, line_to_order, money

if TYPE_CHECKING:
    from types import ModuleType

    from ordering.domain.order import Order

COMMANDS: Final[dict[str, ModuleType]] = {
    file.stem: importlib.import_module(f"commands.{file.stem}")
    for file in sorted((Path(__file__).parents[2] / "functions" / "commands").glob("[a-z]*.py"))
}
"""The module of each command, by its stem."""


_BLIND: Final = sorted(set(COMMANDS) - {"place_order"})
MANY: Final = len(_BLIND) * 128 * 8 * 8 * 9
"""How many different choices there are for one step."""


def choices_of(number: int) -> tuple[str, int, int, int, int]:
    """Choose by a number below MANY: a command, 0 to 127, 0 to 7, 0 to 7, and 0 to 8."""
    # Small numbers are drawn more often than others: spread them over all choices.
    number, wrong = divmod(number * 1_000_003 % MANY, 9)
    number, much = divmod(number, 8)
    number, which = divmod(number, 8)
    blind, choice = divmod(number, 128)
    return _BLIND[blind], choice, which, much, wrong


@cache
def declarations(stem: str) -> ModuleType:
    """Return the test of a command, which says how to ask for it."""
    return importlib.import_module(f"tests.domain.test_{stem}")


@dataclass(frozen=True)
class Ask:
    """One command as a client sends it: the fields of its path and its body."""

    stem: str
    fields: dict[str, Any]


def order_to_place(currency: str, lines: list[tuple[int, int, int]], fee: int) -> dict[str, Any]:
    """Return a request for an order with one line per triple of quantity, price and rate."""
    return {
        "customer_id": "ALFKI",
        "currency": currency,
        "lines": [line_to_order(currency, *triple) for triple in lines],
        "shipping_address": {"name": "M", "street": "S 1", "city": "Berlin", "country": "DE"},
        "shipping_fee": money(fee, currency),
    }


def place(currency: str, lines: list[tuple[int, int, int]], fee: int) -> Ask:
    """Ask for an order with one line per triple of quantity, price and rate."""
    return Ask("place_order", order_to_place(currency, lines, fee))


def likely(order: Order) -> list[str]:
    """Name the commands that lead on from here, the more so the earlier and the more often."""
    weights = {stem: declarations(stem).weight(order) for stem in COMMANDS if stem != "place_order"}
    return [
        stem
        for stem, weight in sorted(weights.items(), key=lambda item: -item[1])
        for _ in range(weight)
    ] or ["add_note"]


def ask(stem: str, which: int, much: int, wrong: int, order: Order) -> Ask:
    """Choose what is asked of the order by one command; see ``Choice``."""
    return Ask(stem, declarations(stem).choose_request(order, Choice(which, much, wrong)))
