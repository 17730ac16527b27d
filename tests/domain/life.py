"""Random lives of an order: what is asked of it, step by step.

What is asked depends on a few small numbers and on the order as it is, so that a life goes on where
nearly every blindly chosen command would be refused; one step in three asks for something wrong.
The numbers come from a seeded generator of the standard library: it repeats a life as exactly as
Hypothesis would and takes a fiftieth of the time.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.domain.choices import Choice, line_to_order, money

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from ordering.domain.order import Order

COMMANDS: Final[dict[str, ModuleType]] = {
    file.stem: importlib.import_module(f"commands.{file.stem}")
    for file in sorted((Path(__file__).parents[2] / "functions" / "commands").glob("[a-z]*.py"))
}
"""The module of each command, by its stem."""


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


def ask(stem: str, choice: Choice, order: Order) -> Ask:
    """Choose what is asked of the order by one command."""
    return Ask(stem, declarations(stem).choose_request(order, choice))


@dataclass(frozen=True)
class Step:
    """The numbers by which the next command and its request are chosen.

    ``leads_on`` is -1 for a command chosen blindly, by ``command``; otherwise it chooses one of
    those that lead the order on from where it is.
    """

    leads_on: int
    command: str
    choice: Choice

    def next_request(self, order: Order, *, may_cancel: bool = True) -> Ask:
        """Choose what is asked of the order; an order that may not be cancelled gets a note."""
        stem = self.command
        if self.leads_on >= 0:
            leading_on = likely(order)
            stem = leading_on[self.leads_on % len(leading_on)]
        if stem == "cancel_order" and not (may_cancel or order.is_cancelled):
            stem = "add_note"
        return ask(stem, self.choice, order)


_BLIND: Final = sorted(set(COMMANDS) - {"place_order"})


def random_steps(chance: random.Random, count: int) -> list[Step]:
    """Draw the steps of one life; one command in three is chosen blindly."""
    return [
        Step(
            leads_on=chance.randrange(64) if chance.randrange(3) else -1,
            command=chance.choice(_BLIND),
            choice=Choice(chance.randrange(8), chance.randrange(8), chance.randrange(9)),
        )
        for _ in range(count)
    ]


def random_order(chance: random.Random, most_lines: int) -> Ask:
    """Draw an order to place; one in eight costs nothing."""
    costs = chance.randrange(8) > 0
    lines = [
        (chance.randint(1, 40), costs * chance.randint(0, 9999), chance.randrange(8))
        for _ in range(chance.randint(1, most_lines))
    ]
    return place(chance.choice(["JPY", "EUR", "KWD"]), lines, costs * chance.randint(0, 999))


def live(first: Ask, steps: Sequence[Step], run: Callable[[Ask, Sequence[Step]], object]) -> None:
    """Run a life; if it fails, fail with the fewest of its steps that do.

    Raises:
        AssertionError: the life failed. The message gives the order and the steps to repeat it.
    """
    failure = _failure(first, steps, run)
    if failure is None:
        return
    fewest = list(steps)
    for number in reversed(range(len(steps))):
        fewer = fewest[:number] + fewest[number + 1 :]
        if another := _failure(first, fewer, run):
            fewest, failure = fewer, another
    repeat = "\n".join(["this life fails:", repr(first), *map(repr, fewest)])
    raise AssertionError(repeat) from failure


def _failure(
    first: Ask, steps: Sequence[Step], run: Callable[[Ask, Sequence[Step]], object]
) -> Exception | None:
    try:
        run(first, steps)
    except Exception as failure:  # noqa: BLE001 - whatever a life fails with, it is reported
        return failure
    return None


def likely(order: Order) -> list[str]:
    """Name the commands that lead on from here, the more so the earlier and the more often."""
    weights = {stem: declarations(stem).weight(order) for stem in _BLIND}
    return [
        stem
        for stem, weight in sorted(weights.items(), key=lambda item: -item[1])
        for _ in range(weight)
    ] or ["add_note"]
