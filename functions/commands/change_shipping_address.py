"""PUT /orders/{order_id}/shipping-address: it goes elsewhere, until something is shipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordering.command_side import CommandFunction
from ordering.domain.errors import ALREADY_SHIPPED, ORDER_CANCELLED, Refusal
from ordering.domain.events import ShippingAddressChanged
from ordering.domain.sent import AddressToStore
from ordering.domain.values import Value

if TYPE_CHECKING:
    from datetime import datetime

    from ordering.domain.order import Order


class ChangeShippingAddress(Value):
    """Send the order to another address."""

    address: AddressToStore


def decide(
    order: Order, command: ChangeShippingAddress, _at: datetime
) -> list[ShippingAddressChanged] | Refusal:
    """Change it while nothing is on its way; nothing happens if it is the same."""
    if order.is_cancelled:
        return ORDER_CANCELLED
    if order.is_shipped_from:
        return ALREADY_SHIPPED
    if order.shipping_address == command.address:
        return []
    return [ShippingAddressChanged(shipping_address=command.address)]


handler = CommandFunction(ChangeShippingAddress, decide)
