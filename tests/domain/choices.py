"""How random lives choose what is asked of an order.

Each command's test says how to ask for it (``ask``) and when it leads an order on (``likely``).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ordering.domain.values import CURRENCY_DIGITS

if TYPE_CHECKING:
    from ordering.domain.order import Order
    from ordering.domain.parts import Line, Payment

STATE, IDENTITY, AMOUNT = 6, 7, 8
"""What may be wrong with a request: a part in another state, another part, too much of it."""


@dataclass(frozen=True)
class Choice:
    """Small numbers that choose a request: which part, how much of it, and what is wrong with it.

    ``which`` and ``much`` are 0 to 7; nothing is ``wrong`` up to 5, then STATE, IDENTITY, AMOUNT.
    """

    which: int
    much: int
    wrong: int = 0

    def reaches(self, *, state: bool) -> bool:
        """Return ``state``, or True where a part in a wrong state may be chosen."""
        return state or self.wrong == STATE

    def currency(self, order: Order) -> str:
        """Choose the order's currency, or now and then a wrong one."""
        return "USD" if self.wrong == IDENTITY and self.which % 4 == 0 else order.currency

    def line(self, order: Order) -> Line | None:
        """Choose a line; None stands for one that the order does not have."""
        return None if self.wrong == IDENTITY else order.lines[self.which % len(order.lines)]

    def line_id(self, order: Order) -> str:
        """Choose a line's id, as a path has it."""
        line = self.line(order)
        return "99" if line is None else str(line.line_id)

    def part_id(self, prefix: str, known: list[str]) -> str:
        """Choose one of the known ids; a wrong one is unknown."""
        if known and self.wrong != IDENTITY:
            return known[self.which % len(known)]
        return f"{prefix}-unknown"

    def new_id(self, prefix: str, count: int) -> str:
        """Choose the next id after ``count`` parts; a wrong one is the last again."""
        return f"{prefix}-{count - (self.wrong == IDENTITY)}"

    def units(self, line: Line | None, field: str) -> int:
        """Choose so many eighths of the line's units in ``field``, or one unit too many."""
        there: int = 1 if line is None else getattr(line, field)
        return there + 1 if self.wrong == AMOUNT else max(1, there * (8 - self.much) // 8)

    def items(self, order: Order, field: str) -> list[dict[str, int]]:
        """Choose items of up to three lines that have units in ``field``."""
        lines = [line for line in order.lines if getattr(line, field)] or list(order.lines)
        chosen = lines[self.which % len(lines) :][: 1 + self.much % 3]
        return [
            {
                "line_id": 99 if self.wrong == IDENTITY else line.line_id,
                "quantity": self.units(line, field),
            }
            for line in chosen
        ]

    def part_of(self, amount: Decimal, order: Order) -> dict[str, str]:
        """Choose so many eighths of an amount, at least the smallest one, or that much too much."""
        units = int(amount.scaleb(CURRENCY_DIGITS[order.currency]))
        part = units + 1 if self.wrong == AMOUNT else max(1, units * (8 - self.much) // 8)
        return money(part, order.currency) | {"currency": self.currency(order)}


def money(units: int, currency: str) -> dict[str, str]:
    """Write an amount given in the currency's smallest unit."""
    amount = Decimal(units).scaleb(-CURRENCY_DIGITS[currency])
    return {"amount": format(amount, "f"), "currency": currency}


def line_to_order(currency: str, quantity: int, price: int, rate: int) -> dict[str, Any]:
    """Make a line to order; ``price`` is in the currency's smallest unit."""
    return {
        "sku": f"sku-{price}",
        "quantity": quantity,
        "unit_price": money(price, currency),
        "discount": f"0.{rate % 8}5",
        "tax_rate": f"0.{rate % 3}7",
    }


def open_for_capture(payment: Payment) -> bool:
    """Return whether something of the payment can be captured."""
    return not payment.declined and payment.captured < payment.authorized
