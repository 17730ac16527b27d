"""Refusals: what a rule answers when it says no. Values, not exceptions; they know no HTTP.

Those that several commands share are here; one that a single command has is in its file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Refusal:
    """A command was refused by a rule.

    ``code`` is stable and kebab-case, for programs; ``detail`` tells people why and what to do.
    """

    code: str
    detail: str


@dataclass(frozen=True)
class NotFound(Refusal):
    """The order, or the part of it that the command names, does not exist for this caller."""


@dataclass(frozen=True)
class Forbidden(Refusal):
    """The caller may not do this at all, whatever the order's state is."""


@dataclass(frozen=True)
class Invalid(Refusal):
    """Fields of the command do not fit this order; ``pointers`` are their JSON pointers."""

    pointers: tuple[str, ...]


ORDER_NOT_FOUND = NotFound("order-not-found", "There is no such order.")
CUSTOMER_NOT_FOUND = NotFound("customer-not-found", "There is no such customer.")
LINE_NOT_FOUND = NotFound("line-not-found", "The order has no such line.")
PAYMENT_NOT_FOUND = NotFound("payment-not-found", "The order has no such payment.")
SHIPMENT_NOT_FOUND = NotFound("shipment-not-found", "The order has no such shipment.")
RETURN_NOT_FOUND = NotFound("return-not-found", "The order has no such return.")
NOT_FOUND_BY_ID: Final = {
    "line_id": LINE_NOT_FOUND,
    "payment_id": PAYMENT_NOT_FOUND,
    "shipment_id": SHIPMENT_NOT_FOUND,
    "return_id": RETURN_NOT_FOUND,
}
"""What is answered where the path has an id that no part of an order can have."""

ORDER_CANCELLED = Refusal("order-cancelled", "The order is cancelled; place a new one.")
ALREADY_CONFIRMED = Refusal(
    "order-already-confirmed", "The order is confirmed already: its lines and coupon are final."
)
NOT_CONFIRMED = Refusal("order-not-confirmed", "The order is not confirmed yet; confirm it first.")
ORDER_HELD = Refusal("order-held", "The order is held; an operator has to release it first.")
ALREADY_SHIPPED = Refusal(
    "order-already-shipped", "Something of the order is on its way or delivered."
)
SHIPMENT_DELIVERED = Refusal("shipment-already-delivered", "The shipment is delivered already.")
SHIPMENT_LOST = Refusal("shipment-lost", "The shipment was reported lost.")
RETURN_DECIDED = Refusal("return-already-decided", "The return was approved or rejected already.")
AMOUNT_EXCEEDS_OWED = Refusal("amount-exceeds-owed", "That is more than what is still owed.")
EXCEEDS_REMAINING = Refusal(
    "quantity-exceeds-remaining",
    "That is more than what is left: ordered, neither cancelled nor shipped.",
)


def wrong_currency(pointer: str, currency: str) -> Invalid:
    """Refuse money at ``pointer`` that is not in the order's currency."""
    return Invalid(
        "invalid-request", f"must be the order's currency, {currency}", (f"{pointer}/currency",)
    )
