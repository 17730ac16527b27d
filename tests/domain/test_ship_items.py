"""Sending a parcel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
from pydantic import ValidationError

from commands.ship_items import NOT_IN_FULFILMENT, SHIPMENT_ID_REUSED, ShipItems, decide
from ordering.domain.errors import (
    EXCEEDS_REMAINING,
    LINE_NOT_FOUND,
    ORDER_CANCELLED,
    ORDER_HELD,
    Refusal,
)
from ordering.domain.parts import Item
from tests.callers import OPERATORS
from tests.domain.fields import PartId, Quantity, items_at, text
from tests.domain.vocabulary import (
    CANCELLED,
    CONFIRMED,
    DELIVERED,
    IN_FULFILMENT,
    PAID,
    PLACED,
    SHIPPED,
    a_line_was_cancelled,
    a_shipment_was_lost,
    given,
    it_was_held,
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
SAMPLE: Final = {
    "shipment_id": "ship-1",
    "carrier": "DHL",
    "tracking_number": "00340434161094000001",
    "items": [{"line_id": 1, "quantity": 15}],
}
SAMPLE_FOLLOWS: Final = "start_fulfilment"
FIELDS: Final[Mapping[str, Field]] = {
    "shipment_id": PartId(),
    "carrier": text(100),
    "tracking_number": text(100, optional=True),
    **items_at("items", quantity=Quantity()),
}


def weight(order: Order) -> int:
    """Return how much more often than others this is asked of such an order."""
    return 3 * (order.in_fulfilment and order.units.to_ship > 0)


def choose_request(order: Order, choice: Choice) -> dict[str, Any]:
    """Return one of many requests for it, by the numbers of the choice."""
    return {
        "shipment_id": choice.new_id("ship", len(order.shipments)),
        "carrier": "DHL",
        "items": choice.items(order, "to_ship"),
    }


def ship(
    quantity: int = 15, shipment_id: str = "ship-1", line_id: int = 1, carrier: str = "DHL"
) -> ShipItems:
    items = (Item(line_id=line_id, quantity=quantity),)
    return ShipItems(shipment_id=shipment_id, carrier=carrier, items=items)


def test_all_is_shipped() -> None:
    shipped = given(*IN_FULFILMENT).when(decide, ship())
    shipped.then(items_were_shipped())
    assert shipped.order.status == "shipped"


def test_a_part_is_shipped_and_never_more_than_the_rest() -> None:
    part = given(*IN_FULFILMENT).when(decide, ship(10))
    part.then(items_were_shipped(quantity=10))
    assert part.order.status == "part_shipped"
    past = given(*IN_FULFILMENT, items_were_shipped(quantity=10))
    past.when(decide, ship(6, "ship-2")).then_refused(EXCEEDS_REMAINING)
    past.when(decide, ship(5, "ship-2")).then(items_were_shipped("ship-2", 5))


def test_what_is_cancelled_is_not_shipped() -> None:
    past = given(*IN_FULFILMENT, a_line_was_cancelled(3))
    past.when(decide, ship(13)).then_refused(EXCEEDS_REMAINING)
    past.when(decide, ship(12)).then(items_were_shipped(quantity=12))


def test_what_was_lost_is_shipped_again() -> None:
    past = given(*SHIPPED, a_shipment_was_lost())
    again = past.when(decide, ship(15, "ship-2"))
    again.then(items_were_shipped("ship-2"))
    (line,) = again.order.lines
    assert (line.shipped, line.lost) == (15, 0)


def test_the_same_shipment_again_changes_nothing() -> None:
    given(*SHIPPED).when(decide, ship()).then_nothing()
    given(*DELIVERED).when(decide, ship()).then_nothing()


@pytest.mark.parametrize("other", [ship(14), ship(carrier="UPS")])
def test_an_id_names_one_shipment(other: ShipItems) -> None:
    given(*SHIPPED).when(decide, other).then_refused(SHIPMENT_ID_REUSED)


@refusals(
    (PLACED, NOT_IN_FULFILMENT),
    (CONFIRMED, NOT_IN_FULFILMENT),
    (PAID, NOT_IN_FULFILMENT),
    ((*IN_FULFILMENT, it_was_held()), ORDER_HELD),
    (SHIPPED, EXCEEDS_REMAINING),
    (CANCELLED, ORDER_CANCELLED),
)
def test_it_is_refused_outside_fulfilment(past: Sequence[OrderEvent], refusal: Refusal) -> None:
    given(*past).when(decide, ship(1, "ship-2")).then_refused(refusal)


def test_an_unknown_line_is_not_found() -> None:
    given(*IN_FULFILMENT).when(decide, ship(line_id=2)).then_refused(LINE_NOT_FOUND)


def test_a_line_is_named_once() -> None:
    item = {"line_id": 1, "quantity": 1}
    with pytest.raises(ValidationError, match="name it once"):
        ShipItems.model_validate({"shipment_id": "s", "carrier": "DHL", "items": [item, item]})
