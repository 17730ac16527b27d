"""Orders as the tests speak of them, and the one given/when/then form for rules."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from ordering.domain.errors import Refusal
from ordering.domain.events import (
    FulfilmentStarted,
    ItemsShipped,
    LineCancelled,
    OrderCancelled,
    OrderCompleted,
    OrderConfirmed,
    OrderEvent,
    OrderHeld,
    OrderLineAdded,
    OrderPlaced,
    OrderReleased,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    ReturnApproved,
    ReturnReceived,
    ReturnRejected,
    ReturnRequested,
    ShipmentDelivered,
    ShipmentLost,
)
from ordering.domain.evolution import record
from ordering.domain.parts import Item, ReceivedItem, ReturnItem
from ordering.domain.pricing import price_line
from ordering.domain.values import Address

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ordering.domain.order import Order

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TOTAL = "578.37"
"""Of `an_order_was_placed`, in euros: 15 jars at 45.60 less a quarter, 7 % tax, 29.46 to ship."""
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


def a_line_was_added(line_id: int = 2, quantity: int = 2) -> OrderLineAdded:
    return OrderLineAdded(
        line_id=line_id,
        sku="39",
        name="Chartreuse verte",
        quantity=quantity,
        unit_price=Decimal("18.00"),
        discount=Decimal(0),
        tax_rate=Decimal("0.19"),
    )


def it_was_held() -> OrderHeld:
    return OrderHeld(reason="the address looks wrong")


def it_was_released() -> OrderReleased:
    return OrderReleased()


def a_payment_was_authorized(payment_id: str = "pay-1", amount: str = TOTAL) -> PaymentAuthorized:
    return PaymentAuthorized(payment_id=payment_id, method="card", amount=Decimal(amount))


def a_payment_was_captured(payment_id: str = "pay-1", amount: str = TOTAL) -> PaymentCaptured:
    return PaymentCaptured(payment_id=payment_id, amount=Decimal(amount))


def a_payment_was_declined(payment_id: str = "pay-1") -> PaymentDeclined:
    return PaymentDeclined(payment_id=payment_id, reason="the card has expired")


def fulfilment_was_started() -> FulfilmentStarted:
    return FulfilmentStarted(warehouse="BER-1")


def items_were_shipped(
    shipment_id: str = "ship-1", quantity: int = 15, line_id: int = 1
) -> ItemsShipped:
    return ItemsShipped(
        shipment_id=shipment_id,
        carrier="DHL",
        items=(Item(line_id=line_id, quantity=quantity),),
        shipped_at=NOW,
    )


def a_shipment_was_delivered(
    shipment_id: str = "ship-1", delivered_at: datetime = NOW
) -> ShipmentDelivered:
    return ShipmentDelivered(shipment_id=shipment_id, delivered_at=delivered_at)


def a_shipment_was_lost(shipment_id: str = "ship-1") -> ShipmentLost:
    return ShipmentLost(shipment_id=shipment_id)


def a_line_was_cancelled(quantity: int = 3, line_id: int = 1) -> LineCancelled:
    return LineCancelled(line_id=line_id, quantity=quantity, reason="out of stock")


def it_was_completed() -> OrderCompleted:
    return OrderCompleted()


def a_return_was_requested(
    return_id: str = "return-1", quantity: int = 2, requested_at: datetime = NOW
) -> ReturnRequested:
    item = ReturnItem(line_id=1, quantity=quantity, reason="two jars are broken")
    return ReturnRequested(return_id=return_id, items=(item,), requested_at=requested_at)


def a_return_was_approved(return_id: str = "return-1") -> ReturnApproved:
    return ReturnApproved(return_id=return_id)


def a_return_was_rejected(return_id: str = "return-1") -> ReturnRejected:
    return ReturnRejected(return_id=return_id, reason="opened and used")


def a_return_was_received(return_id: str = "return-1", quantity: int = 2) -> ReturnReceived:
    return ReturnReceived(return_id=return_id, items=(ReceivedItem(line_id=1, quantity=quantity),))


def a_payment_was_refunded(amount: str, refund_id: str = "refund-1") -> PaymentRefunded:
    return PaymentRefunded(
        refund_id=refund_id,
        payment_id="pay-1",
        amount=Decimal(amount),
        reason="two jars came back",
    )


# The pasts that most rules ask about, each with all that is needed to get there.
PLACED: tuple[OrderEvent, ...] = (an_order_was_placed(),)
CONFIRMED = (*PLACED, it_was_confirmed())
AUTHORIZED = (*CONFIRMED, a_payment_was_authorized())
PAID = (*AUTHORIZED, a_payment_was_captured())
IN_FULFILMENT = (*PAID, fulfilment_was_started())
SHIPPED = (*IN_FULFILMENT, items_were_shipped())
DELIVERED = (*SHIPPED, a_shipment_was_delivered())
COMPLETED = (*DELIVERED, it_was_completed())
RETURN_REQUESTED = (*DELIVERED, a_return_was_requested())
RETURN_APPROVED = (*RETURN_REQUESTED, a_return_was_approved())
RETURN_RECEIVED = (*RETURN_APPROVED, a_return_was_received())
CANCELLED = (*PLACED, it_was_cancelled())


@dataclass(frozen=True)
class Outcome:
    """What a rule answered."""

    answer: Sequence[OrderEvent] | Refusal
    before: Order

    @property
    def order(self) -> Order:
        """The order after what the rule answered."""
        assert not isinstance(self.answer, Refusal), self.answer
        return record(self.before, self.answer)[1]

    def then_nothing(self) -> None:
        """The order is as the command wants it already."""
        assert self.answer == []

    def then(self, *events: OrderEvent) -> None:
        assert list(events) == self.answer

    def then_refused(self, refusal: Refusal) -> None:
        assert self.answer == refusal


@dataclass(frozen=True)
class Given:
    """An order with a past."""

    past: Sequence[OrderEvent]

    @property
    def order(self) -> Order:
        """The order that the past leads to."""
        return after(self.past)

    def when(
        self,
        decide: Callable[[Any, Any, datetime], Sequence[OrderEvent] | Refusal],
        command: object,
        at: datetime = NOW,
    ) -> Outcome:
        return Outcome(decide(self.order, command, at), self.order)


def given(*past: OrderEvent) -> Given:
    return Given(past)


def pasts(*each: Sequence[OrderEvent]) -> pytest.MarkDecorator:
    """Run the test once per past, each named by the status that it leads to."""
    return pytest.mark.parametrize("past", [pytest.param(p, id=_status(p)) for p in each])


def refusals(*each: tuple[Sequence[OrderEvent], Refusal]) -> pytest.MarkDecorator:
    """Run the test once per past and the refusal that is the answer to it."""
    return pytest.mark.parametrize(
        ("past", "refusal"),
        [
            pytest.param(past, refusal, id=f"{_status(past)}: {refusal.code}")
            for past, refusal in each
        ],
    )


def _status(past: Sequence[OrderEvent]) -> str:
    return after(past).status


def after(past: Sequence[OrderEvent]) -> Order:
    """Return the order that the past leads to."""
    return record(None, past)[1]
