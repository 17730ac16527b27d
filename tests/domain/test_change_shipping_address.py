"""Sending an order elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from commands.change_shipping_address import ChangeShippingAddress, decide
from ordering.domain.errors import ALREADY_SHIPPED, ORDER_CANCELLED, Refusal
from ordering.domain.events import ShippingAddressChanged
from ordering.domain.values import Address
from tests.callers import CUSTOMERS
from tests.domain.fields import address_at
from tests.domain.vocabulary import (
    BERLIN,
    CANCELLED,
    CONFIRMED,
    DELIVERED,
    IN_FULFILMENT,
    PAID,
    PLACED,
    SHIPPED,
    a_shipment_was_lost,
    given,
    items_were_shipped,
    pasts,
    refusals,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordering.domain.events import OrderEvent
    from ordering.domain.order import Order
    from tests.domain.choices import Choice
    from tests.domain.fields import Field


CALLERS: Final = CUSTOMERS
SAMPLE: Final = {
    "address": {
        "name": "Maria Anders",
        "street": "Seestr. 2",
        "city": "Berlin",
        "postal_code": "13353",
        "country": "DE",
    }
}
FIELDS: Final[Mapping[str, Field]] = address_at("address")


def weight(order: Order) -> int:
    """Return how much more often than others this is asked of such an order."""
    return int(not order.confirmed)


def choose_request(_: Order, choice: Choice) -> dict[str, Any]:
    """Return one of many requests for it, by the numbers of the choice."""
    return {
        "address": {
            "name": "M",
            "street": f"S {choice.which}",
            "city": "Bonn",
            "country": "DE",
        }
    }


BONN = Address(name="Maria Anders", street="Am Hof 1", city="Bonn", country="DE")


def send_to(address: Address) -> ChangeShippingAddress:
    return ChangeShippingAddress.model_validate({"address": address.model_dump()})


@pasts(PLACED, CONFIRMED, PAID, IN_FULFILMENT)
def test_it_goes_elsewhere_until_something_is_shipped(past: Sequence[OrderEvent]) -> None:
    changed = given(*past).when(decide, send_to(BONN))
    changed.then(ShippingAddressChanged(shipping_address=BONN))
    assert changed.order.shipping_address == BONN


def test_what_was_lost_can_be_sent_elsewhere() -> None:
    past = given(*SHIPPED, a_shipment_was_lost())
    past.when(decide, send_to(BONN)).then(ShippingAddressChanged(shipping_address=BONN))


def test_the_same_address_changes_nothing() -> None:
    given(*PLACED).when(decide, send_to(BERLIN)).then_nothing()


@refusals(
    (SHIPPED, ALREADY_SHIPPED),
    ((*IN_FULFILMENT, items_were_shipped(quantity=1)), ALREADY_SHIPPED),
    (DELIVERED, ALREADY_SHIPPED),
    (CANCELLED, ORDER_CANCELLED),
)
def test_it_is_refused_when_something_is_on_its_way(
    past: Sequence[OrderEvent], refusal: Refusal
) -> None:
    given(*past).when(decide, send_to(BONN)).then_refused(refusal)
