"""A parcel arriving."""

from __future__ import annotations

from typing import TYPE_CHECKING

from commands.deliver_shipment import DeliverShipment, decide
from ordering.domain.errors import SHIPMENT_DELIVERED, SHIPMENT_LOST, SHIPMENT_NOT_FOUND, Refusal
from ordering.domain.events import ShipmentDelivered
from tests.domain.vocabulary import (
    DELIVERED,
    IN_FULFILMENT,
    NOW,
    SHIPPED,
    a_shipment_was_delivered,
    a_shipment_was_lost,
    given,
    items_were_shipped,
    refusals,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ordering.domain.events import OrderEvent

DELIVER = DeliverShipment(shipment_id="ship-1")


def test_the_whole_order_is_delivered() -> None:
    delivered = given(*SHIPPED).when(decide, DELIVER)
    delivered.then(a_shipment_was_delivered())
    assert (delivered.order.status, delivered.order.lines[0].delivered) == ("delivered", 15)


def test_who_signed_is_kept() -> None:
    signed = DeliverShipment(shipment_id="ship-1", signed_by="Maria Anders")
    delivered = given(*SHIPPED).when(decide, signed)
    delivered.then(
        ShipmentDelivered(shipment_id="ship-1", signed_by="Maria Anders", delivered_at=NOW)
    )
    assert delivered.order.shipments[0].signed_by == "Maria Anders"


def test_one_of_two_parcels_is_a_part() -> None:
    two = (items_were_shipped(quantity=10), items_were_shipped("ship-2", 5))
    past = given(*IN_FULFILMENT, *two)
    assert past.when(decide, DELIVER).order.status == "part_delivered"


@refusals(
    (IN_FULFILMENT, SHIPMENT_NOT_FOUND),
    (DELIVERED, SHIPMENT_DELIVERED),
    ((*SHIPPED, a_shipment_was_lost()), SHIPMENT_LOST),
)
def test_only_what_is_on_its_way_arrives(past: Sequence[OrderEvent], refusal: Refusal) -> None:
    given(*past).when(decide, DELIVER).then_refused(refusal)
