"""A parcel that will not arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from commands.report_lost_shipment import ReportLostShipment, decide
from ordering.domain.errors import SHIPMENT_DELIVERED, SHIPMENT_LOST, SHIPMENT_NOT_FOUND, Refusal
from tests.callers import OPERATORS
from tests.domain.vocabulary import (
    DELIVERED,
    IN_FULFILMENT,
    SHIPPED,
    a_line_was_cancelled,
    a_shipment_was_lost,
    after,
    given,
    refusals,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordering.domain.events import OrderEvent
    from ordering.domain.order import Order
    from tests.domain.choices import Choice
    from tests.domain.fields import Field


CALLERS: Final = OPERATORS
SAMPLE: Final = {"shipment_id": "ship-1"}
SAMPLE_FOLLOWS: Final = "ship_items"
FIELDS: Final[Mapping[str, Field]] = {}


def weight(order: Order) -> int:
    """Return how much more often than others this is asked of such an order."""
    return int(order.units.shipped > order.units.delivered)


def choose_request(order: Order, choice: Choice) -> dict[str, Any]:
    """Return one of many requests for it, by the numbers of the choice."""
    return {
        "shipment_id": choice.part_id(
            "ship",
            [p.shipment_id for p in order.shipments if choice.reaches(state=p.state == "shipped")],
        )
    }


LOST = ReportLostShipment(shipment_id="ship-1")


def test_its_items_are_to_ship_again() -> None:
    lost = given(*SHIPPED).when(decide, LOST)
    lost.then(a_shipment_was_lost())
    (line,) = lost.order.lines
    assert (line.shipped, line.lost, line.to_ship) == (0, 15, 15)
    assert lost.order.status == "in_fulfilment"


def test_what_was_lost_can_be_cancelled() -> None:
    (line,) = after([*SHIPPED, a_shipment_was_lost(), a_line_was_cancelled(4)]).lines
    assert (line.cancelled, line.lost, line.to_ship) == (4, 11, 11)


@refusals(
    (IN_FULFILMENT, SHIPMENT_NOT_FOUND),
    (DELIVERED, SHIPMENT_DELIVERED),
    ((*SHIPPED, a_shipment_was_lost()), SHIPMENT_LOST),
)
def test_only_what_is_on_its_way_is_lost(past: Sequence[OrderEvent], refusal: Refusal) -> None:
    given(*past).when(decide, LOST).then_refused(refusal)
