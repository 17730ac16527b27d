"""POST /orders/{order_id}/shipments: a parcel with items of the order is on its way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordering.command_side import CommandFunction
from ordering.domain.errors import (
    EXCEEDS_REMAINING,
    LINE_NOT_FOUND,
    ORDER_CANCELLED,
    ORDER_HELD,
    Refusal,
)
from ordering.domain.events import ItemsShipped
from ordering.domain.limits import MAX_SHIPMENTS, MAX_SHIPPED_ITEMS
from ordering.domain.parts import Items
from ordering.domain.sent import SentText100
from ordering.domain.values import PartId, Value

if TYPE_CHECKING:
    from datetime import datetime

    from ordering.domain.order import Order


class ShipItems(Value):
    """Send a parcel, under the client's own id."""

    shipment_id: PartId
    carrier: SentText100
    tracking_number: SentText100 | None = None
    items: Items


SHIPMENT_ID_REUSED = Refusal(
    "shipment-id-reused", "The order has another shipment of this id; use a new id."
)
NOT_IN_FULFILMENT = Refusal(
    "order-not-in-fulfilment", "No warehouse works on the order; start its fulfilment first."
)
TOO_MANY_SHIPMENTS = Refusal(
    "too-many-shipments",
    f"An order has at most {MAX_SHIPMENTS} shipments, of {MAX_SHIPPED_ITEMS:,} items in all;"
    " ship more units in one.",
)


def decide(order: Order, command: ShipItems, at: datetime) -> list[ItemsShipped] | Refusal:  # noqa: PLR0911 - one return per reason
    """Ship never more than what is left of each line; a repeated shipment changes nothing."""
    known = order.shipment(command.shipment_id)
    if known is not None:
        is_same = known.model_dump(include=set(ShipItems.model_fields)) == command.model_dump()
        return [] if is_same else SHIPMENT_ID_REUSED
    if order.is_cancelled:
        return ORDER_CANCELLED
    if not order.in_fulfilment:
        return NOT_IN_FULFILMENT
    if order.held:
        return ORDER_HELD
    items = sum(len(shipment.items) for shipment in order.shipments) + len(command.items)
    if len(order.shipments) >= MAX_SHIPMENTS or items > MAX_SHIPPED_ITEMS:
        return TOO_MANY_SHIPMENTS
    for item in command.items:
        line = order.line(item.line_id)
        if line is None:
            return LINE_NOT_FOUND
        if item.quantity > line.to_ship:
            return EXCEEDS_REMAINING
    return [ItemsShipped(**dict(command), shipped_at=at)]


handler = CommandFunction(ShipItems, decide)
