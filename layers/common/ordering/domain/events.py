"""The facts of an order's life, past tense, one type per fact. Pure.

Events that change the same part of an order have a base class, so that a ``match`` can name them
together. Within a schema version an event only gains optional fields. How facts are recorded, and
read again, is in ``recorded.py``.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, get_args

from pydantic import Field

from .parts import Coupon, Item, Line, ReceivedItem, ReturnItem
from .values import (
    PERSONAL,
    Address,
    Currency,
    CustomerId,
    Fraction,
    Instant,
    LineId,
    PartId,
    Quantity,
    Sku,
    Sum,
    Text64,
    Text100,
    Text200,
    Text500,
    Text2000,
    Value,
)


class Fact(Value):
    """Something that happened to one order."""

    schema_version: ClassVar[int] = 1


class LineOrdered(Fact):
    """Before the order was confirmed, other lines or quantities were ordered."""


class PaymentChanged(Fact):
    """Something happened to a payment."""


class ShipmentChanged(Fact):
    """Something happened to a shipment."""


class ReturnChanged(Fact):
    """Something happened to a return."""


class OrderPlaced(Fact):
    """A customer, or an operator for them, placed an order."""

    schema_version = 2

    customer_id: CustomerId
    currency: Currency
    lines: tuple[Line, ...]
    shipping_fee: Sum
    shipping_address: Address
    billing_address: Address | None = None
    reference: Text200 | None = None
    placed_at: Instant


class OrderLineAdded(LineOrdered):
    """One more line was ordered, before the order was confirmed."""

    line_id: LineId
    sku: Sku
    name: Text200 | None = None
    quantity: Quantity
    unit_price: Sum
    discount: Fraction
    tax_rate: Fraction


class LineQuantityChanged(LineOrdered):
    """Of one line more or fewer units were ordered, before the order was confirmed."""

    line_id: LineId
    quantity: Annotated[Quantity, Field(description="units ordered from now on")]


class OrderLineRemoved(LineOrdered):
    """One line was taken out of the order, before the order was confirmed."""

    line_id: LineId


class CouponApplied(Fact):
    """A coupon takes something off the sum of the lines."""

    coupon: Coupon


class CouponRemoved(Fact):
    """The order's coupon counts no more."""

    code: Text64


class ShippingAddressChanged(Fact):
    """The order goes to another address."""

    shipping_address: Address


class OrderConfirmed(Fact):
    """The order was confirmed: its lines are final and it can be paid."""

    schema_version = 2

    confirmed_at: Annotated[
        Instant | None, Field(description="where it was not when the event was recorded")
    ] = None


class OrderHeld(Fact):
    """An operator stopped the order: nothing of it is shipped until it is released."""

    reason: Annotated[Text500, PERSONAL]


class OrderReleased(Fact):
    """The order is not held any more."""


class PaymentAuthorized(PaymentChanged):
    """A payment was promised: it can be captured."""

    payment_id: PartId
    method: Text64
    amount: Sum


class PaymentCaptured(PaymentChanged):
    """Money came in on an authorized payment."""

    payment_id: PartId
    amount: Sum


class PaymentDeclined(PaymentChanged):
    """An authorized payment, of which nothing was captured, was withdrawn."""

    payment_id: PartId
    reason: Annotated[Text500, PERSONAL]


class FulfilmentStarted(Fact):
    """A warehouse began to work on the order."""

    warehouse: Text64 | None = None


class ItemsShipped(ShipmentChanged):
    """A parcel with items of the order is on its way."""

    shipment_id: PartId
    carrier: Text100
    tracking_number: Text100 | None = None
    items: tuple[Item, ...]
    shipped_at: Instant


class ShipmentDelivered(ShipmentChanged):
    """A parcel arrived."""

    shipment_id: PartId
    signed_by: Annotated[Text200 | None, PERSONAL] = None
    delivered_at: Instant


class ShipmentLost(ShipmentChanged):
    """A parcel will not arrive; its items are to ship again."""

    shipment_id: PartId


class LineCancelled(Fact):
    """Units of one line that were not shipped will not be."""

    line_id: LineId
    quantity: Annotated[Quantity, Field(description="units cancelled by this")]
    reason: Annotated[Text500, PERSONAL]


class OrderCancelled(Fact):
    """The whole order was cancelled before anything was shipped."""

    schema_version = 2

    reason: Annotated[Text500, PERSONAL]


class OrderCompleted(Fact):
    """All of the order is delivered or cancelled, and nothing about it is open."""


class ReturnRequested(ReturnChanged):
    """The customer wants to send items back."""

    return_id: PartId
    items: tuple[ReturnItem, ...]
    requested_at: Instant


class ReturnApproved(ReturnChanged):
    """The items of a return may come back."""

    return_id: PartId


class ReturnRejected(ReturnChanged):
    """The items of a return are not taken back."""

    return_id: PartId
    reason: Annotated[Text500, PERSONAL]


class ReturnReceived(ReturnChanged):
    """Items came back; what they cost is not owed any more."""

    return_id: PartId
    items: Annotated[tuple[ReceivedItem, ...], Field(description="what really came")]


class PaymentRefunded(PaymentChanged):
    """Money went back on a payment."""

    refund_id: PartId
    payment_id: PartId
    amount: Sum
    reason: Annotated[Text500, PERSONAL]


class NoteAdded(Fact):
    """Somebody noted something about the order."""

    text: Annotated[Text2000, PERSONAL]


LineOrdering = OrderLineAdded | LineQuantityChanged | OrderLineRemoved
PaymentEvent = PaymentAuthorized | PaymentCaptured | PaymentDeclined | PaymentRefunded
ShipmentEvent = ItemsShipped | ShipmentDelivered | ShipmentLost
ReturnEvent = ReturnRequested | ReturnApproved | ReturnRejected | ReturnReceived

OrderEvent = (
    OrderPlaced
    | OrderLineAdded
    | LineQuantityChanged
    | OrderLineRemoved
    | CouponApplied
    | CouponRemoved
    | ShippingAddressChanged
    | OrderConfirmed
    | OrderHeld
    | OrderReleased
    | PaymentAuthorized
    | PaymentCaptured
    | PaymentDeclined
    | FulfilmentStarted
    | ItemsShipped
    | ShipmentDelivered
    | ShipmentLost
    | LineCancelled
    | OrderCancelled
    | OrderCompleted
    | ReturnRequested
    | ReturnApproved
    | ReturnRejected
    | ReturnReceived
    | PaymentRefunded
    | NoteAdded
)
"""Every event. Close a ``match`` over it with ``assert_never``: mypy names what is missing."""

EVENT_TYPES: Final[dict[str, type[OrderEvent]]] = {
    event.__name__: event for event in get_args(OrderEvent)
}
