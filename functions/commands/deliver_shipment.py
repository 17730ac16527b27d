"""POST /orders/{order_id}/shipments/{shipment_id}/deliver: a parcel arrived."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordering.command_side import CommandFunction
from ordering.domain.errors import SHIPMENT_DELIVERED, SHIPMENT_LOST, SHIPMENT_NOT_FOUND, Refusal
from ordering.domain.events import ShipmentDelivered
from ordering.domain.sent import SentText200
from ordering.domain.values import PartId, Value

if TYPE_CHECKING:
    from datetime import datetime

    from ordering.domain.order import Order


class DeliverShipment(Value):
    """Report that a parcel arrived, and who signed for it."""

    shipment_id: PartId
    signed_by: SentText200 | None = None


def decide(
    order: Order, command: DeliverShipment, at: datetime
) -> list[ShipmentDelivered] | Refusal:
    """Deliver a parcel that is on its way, once."""
    shipment = order.shipment(command.shipment_id)
    if shipment is None:
        return SHIPMENT_NOT_FOUND
    if shipment.state == "delivered":
        return SHIPMENT_DELIVERED
    if shipment.state == "lost":
        return SHIPMENT_LOST
    return [
        ShipmentDelivered(
            shipment_id=command.shipment_id, signed_by=command.signed_by, delivered_at=at
        )
    ]


handler = CommandFunction(DeliverShipment, decide)
