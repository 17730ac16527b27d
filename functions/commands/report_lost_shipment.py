"""POST /orders/{order_id}/shipments/{shipment_id}/lost: a parcel will not arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordering.command_side import CommandFunction
from ordering.domain.errors import SHIPMENT_DELIVERED, SHIPMENT_LOST, SHIPMENT_NOT_FOUND, Refusal
from ordering.domain.events import ShipmentLost
from ordering.domain.values import PartId, Value

if TYPE_CHECKING:
    from datetime import datetime

    from ordering.domain.order import Order


class ReportLostShipment(Value):
    """Report that a parcel is lost: its items have to be shipped again."""

    shipment_id: PartId


def decide(
    order: Order, command: ReportLostShipment, _at: datetime
) -> list[ShipmentLost] | Refusal:
    """Report a parcel that is on its way as lost, once."""
    shipment = order.shipment(command.shipment_id)
    if shipment is None:
        return SHIPMENT_NOT_FOUND
    if shipment.state == "delivered":
        return SHIPMENT_DELIVERED
    if shipment.state == "lost":
        return SHIPMENT_LOST
    return [ShipmentLost(shipment_id=command.shipment_id)]


handler = CommandFunction(ReportLostShipment, decide)
