"""Orders as the tests speak of them, and the one given/when/then form for rules."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import reduce
from typing import TYPE_CHECKING, Any

from ordering.events import OrderCancelled, OrderConfirmed, OrderEvent, OrderPlaced
from ordering.evolution import evolve
from ordering.pricing import price_line
from ordering.values import Address

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ordering.errors import Refusal
    from ordering.order import Order

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
BERLIN = Address(
    name="Maria Anders", street="Obere Str. 57", city="Berlin", postal_code="12209", country="DE"
)


def an_order_was_placed(**changes: Any) -> OrderPlaced:  # noqa: ANN401 - any field may be changed
    lines = (
        price_line(
            line_id=1,
            sku="28",
            name="Sauerkraut",
            quantity=15,
            unit_price=Decimal("45.60"),
            discount=Decimal("0.25"),
            tax_rate=Decimal("0.07"),
            currency="EUR",
        ),
    )
    fields: dict[str, Any] = {
        "customer_id": "ALFKI",
        "currency": "EUR",
        "lines": lines,
        "shipping_fee": Decimal("29.46"),
        "shipping_address": BERLIN,
        "placed_at": NOW,
    }
    return OrderPlaced(**fields | changes)


def it_was_confirmed() -> OrderConfirmed:
    return OrderConfirmed()


def it_was_cancelled() -> OrderCancelled:
    return OrderCancelled(reason="ordered twice")


@dataclass(frozen=True)
class Outcome:
    """What a rule answered."""

    answer: Sequence[OrderEvent] | Refusal

    def then(self, *events: OrderEvent) -> None:
        assert list(events) == self.answer

    def then_refused(self, refusal: Refusal) -> None:
        assert self.answer == refusal


@dataclass(frozen=True)
class Given:
    """An order with a past."""

    past: Sequence[OrderEvent]

    def when(
        self,
        decide: Callable[[Any, Any, datetime], Sequence[OrderEvent] | Refusal],
        command: object,
    ) -> Outcome:
        order: Order | None = None
        order = reduce(evolve, self.past, order)
        return Outcome(decide(order, command, NOW))


def given(*past: OrderEvent) -> Given:
    return Given(past)
