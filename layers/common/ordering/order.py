"""The Order: its state, and how each event changes it. Pure.

The facts are the truth; ``status`` is derived from them with one definition per word.
"""

from __future__ import annotations

from typing import assert_never

from .events import LineSnapshot, OrderCancelled, OrderConfirmed, OrderEvent, OrderPlaced, Totals
from .values import Address, Currency, CustomerId, Instant, Text200, Value


class Order(Value):
    """One order as the command side knows it. Changed by ``evolve`` only."""

    customer_id: CustomerId
    currency: Currency
    lines: tuple[LineSnapshot, ...]
    totals: Totals
    shipping_address: Address
    billing_address: Address | None = None
    reference: Text200 | None = None
    placed_at: Instant
    confirmed: bool = False
    cancelled: bool = False

    @property
    def status(self) -> str:
        """One word for where the order stands.

        cancelled: nothing of it is to be delivered any more; confirmed: its lines are final;
        placed: neither.
        """
        return status_of(confirmed=self.confirmed, cancelled=self.cancelled)


def status_of(*, confirmed: bool, cancelled: bool) -> str:
    """Define each status, see ``Order.status``."""
    if cancelled:
        return "cancelled"
    return "confirmed" if confirmed else "placed"


def evolve(order: Order | None, event: OrderEvent) -> Order:
    """Give the order after ``event``; ``None`` is the order before its first event.

    Raises:
        ValueError: the event cannot be this order's next one (its log is damaged).
    """
    if order is None:
        if not isinstance(event, OrderPlaced):
            raise ValueError(f"the first event of an order is OrderPlaced, not {event!r}")
        return Order.model_construct(
            customer_id=event.customer_id,
            currency=event.currency,
            lines=event.lines,
            totals=event.totals,
            shipping_address=event.shipping_address,
            billing_address=event.billing_address,
            reference=event.reference,
            placed_at=event.placed_at,
            confirmed=False,
            cancelled=False,
        )
    match event:
        case OrderConfirmed():
            return order.model_copy(update={"confirmed": True})
        case OrderCancelled():
            return order.model_copy(update={"cancelled": True})
        case OrderPlaced():
            raise ValueError("an order is placed only once")
        case _:
            assert_never(event)
