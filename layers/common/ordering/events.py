"""The facts of an order's life, past tense, one type per fact. Pure.

An event carries what a reader needs without asking back. Within a schema version an event only
gains optional fields; ``parse`` gives every reader the newest version.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar, Final, get_args

from pydantic import StringConstraints

from .values import (
    PERSONAL,
    Address,
    Currency,
    CustomerId,
    Fraction,
    Instant,
    LineId,
    Quantity,
    Sku,
    Sum,
    Text200,
    Text500,
    Value,
)

Status = Annotated[str, StringConstraints(pattern="^[a-z_]+$")]


class LineSnapshot(Value):
    """One line with its amounts, in the order's currency."""

    line_id: LineId
    sku: Sku
    name: Text200 | None = None
    quantity: Quantity
    unit_price: Sum
    discount: Fraction = Decimal(0)
    tax_rate: Fraction = Decimal(0)
    total: Sum
    """round(quantity x unit price x (1 - discount)), before coupon and tax."""
    tax: Sum


class Totals(Value):
    """The order's total and its parts: total = lines - discount + tax + shipping."""

    lines: Sum
    discount: Sum
    tax: Sum
    shipping: Sum
    total: Sum


class Event(Value):
    """A fact about one order. ``status`` is the order's status after it."""

    schema_version: ClassVar[int] = 1

    customer_id: CustomerId
    status: Status


class OrderPlaced(Event):
    """A customer, or an operator for them, placed an order."""

    currency: Currency
    lines: tuple[LineSnapshot, ...]
    totals: Totals
    shipping_address: Address
    billing_address: Address | None = None
    reference: Text200 | None = None
    placed_at: Instant


class OrderConfirmed(Event):
    """The order was confirmed: its lines are final and it can be paid."""


class OrderCancelled(Event):
    """The whole order was cancelled before anything was shipped."""

    reason: Annotated[Text500, PERSONAL]


OrderEvent = OrderPlaced | OrderConfirmed | OrderCancelled
"""Every event there is; a ``match`` over it is closed with ``assert_never``."""

EVENT_TYPES: Final[dict[str, type[OrderEvent]]] = {
    event.__name__: event for event in get_args(OrderEvent)
}


class UnknownEventError(ValueError):
    """The event's type or schema version is not known to this code."""


def parse(event_type: str, schema_version: int, data: object) -> OrderEvent:
    """Read the JSON object ``data`` of a stored or published event, already decoded.

    Raises:
        UnknownEventError: no such type, or a schema version newer than this code.
        pydantic.ValidationError: the data does not fit the schema.
    """
    event = EVENT_TYPES.get(event_type)
    if event is None:
        raise UnknownEventError(f"unknown event type {event_type!r}")
    if schema_version != event.schema_version:
        raise UnknownEventError(
            f"{event_type} has schema version {event.schema_version} here, not {schema_version}"
        )
    # A newer writer may have added optional fields: they are not this reader's business.
    return event.model_validate(data, extra="ignore")
