"""A parcel arriving."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from commands.deliver_shipment import DeliverShipment, decide
from ordering.domain.errors import SHIPMENT_DELIVERED, SHIPMENT_LOST, SHIPMENT_NOT_FOUND, Refusal
from ordering.domain.events import ShipmentDelivered
from tests.callers import OPERATORS
from tests.domain.fields import text
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
    from collections.abc import Mapping, Sequence

    from ordering.domain.events import OrderEvent
    from ordering.domain.order import Order
    from tests.domain.choices import Choice
    from tests.domain.fields import Field


CALLERS: Final = OPERATORS
SAMPLE: Final = {"shipment_id": "ship-1", "signed_by": "Maria Anders"}
SAMPLE_FOLLOWS: Final = "ship_items"
FIELDS: Final[Mapping[str, Field]] = {"signed_by": text(200, optional=True)}


def weight(order: Order) -> int:
    """Return how much more often than others this is asked of such an order."""
    return 2 * (order.units.shipped > order.units.delivered)


def choose_request(order: Order, choice: Choice) -> dict[str, Any]:
    """Return one of many requests for it, by the numbers of the choice."""
    return {
        "shipment_id": choice.part_id(
            "ship",
            [p.shipment_id for p in order.shipments if choice.reaches(state=p.state == "shipped")],
        )
    }


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
