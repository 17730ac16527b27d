"""The parts of an order: its lines, payments, shipments, returns, and the sums of them. Pure.

They are the order's state, and events carry those that a fact changed, as they are afterwards.
Amounts are in the order's currency.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from .limits import MAX_LINES
from .sent import SentMoney, SentText64, SentText200, SentText500
from .validation import fields_error, members, validate_with
from .values import (
    PERSONAL,
    Count,
    Fraction,
    Instant,
    LineId,
    Money,
    PartId,
    Percent,
    Quantity,
    Sku,
    Sum,
    Text64,
    Text100,
    Text200,
    Text500,
    Value,
)

if TYPE_CHECKING:
    from pydantic_core import PydanticCustomError

NumberOfUnits = Annotated[int, Field(ge=0)]

RETURN_DAYS: Final = 30
"""So many days after its delivery an item may be sent back."""


class OrderedLine(Value):
    """What is ordered of one SKU."""

    sku: SentText64
    name: SentText200 | None = None
    quantity: Quantity
    unit_price: SentMoney
    discount: Fraction = Decimal(0)
    tax_rate: Fraction = Decimal(0)


class Part(Value):
    """A part of an order that has an id of its own."""

    key: ClassVar[str]
    """The name of the field with the id, by which the order knows the part."""

    @property
    def part_id(self) -> object:
        """The part's id."""
        return getattr(self, self.key)


class Line(Part):
    """One line of an order: its quantities, in units, and its amounts.

    Of the units ordered some are cancelled and some shipped; the rest is to ship. Of those shipped
    some are delivered, and of those some are returned. A lost unit is not shipped any more: it is
    to ship again, and counted in ``lost`` until it is shipped again or cancelled.
    """

    key = "line_id"

    line_id: LineId
    sku: Sku
    name: Text200 | None = None
    unit_price: Sum
    discount: Fraction = Decimal(0)
    tax_rate: Fraction = Decimal(0)
    ordered: Quantity
    cancelled: Count = 0
    shipped: Count = 0
    lost: Count = 0
    delivered: Count = 0
    returned: Count = 0
    total: Annotated[
        Sum, Field(description="kept units x unit price x (1 - discount), before coupon and tax")
    ]
    coupon_share: Annotated[Sum, Field(description="the line's part of the coupon")] = Decimal(0)
    tax: Annotated[Sum, Field(description="(total - coupon share) x tax rate")]

    @property
    def kept(self) -> int:
        """Units that the customer keeps and pays: neither cancelled nor returned."""
        return self.ordered - self.cancelled - self.returned

    @property
    def to_ship(self) -> int:
        """Units that are neither cancelled nor on their way or delivered."""
        return self.ordered - self.cancelled - self.shipped


class Units(Value):
    """Units of all lines together; ``kept`` are those neither cancelled nor returned."""

    lines: Annotated[int, Field(ge=1, description="how many lines there are")]
    kept: NumberOfUnits
    to_ship: NumberOfUnits
    shipped: NumberOfUnits
    delivered: NumberOfUnits
    returned: NumberOfUnits


class Totals(Value):
    """The order's total and its parts: total = lines - discount + tax + shipping."""

    lines: Sum
    discount: Annotated[Sum, Field(description="what the coupon takes off")]
    tax: Sum
    shipping: Sum
    total: Sum


class Balance(Value):
    """Who owes whom: an order never owes and is owed at once."""

    owed: Annotated[Sum, Field(description="max(0, total - captured + refunded)")]
    authorized: Annotated[Sum, Field(description="of all payments that were not declined")]
    captured: Sum
    due_back: Annotated[Sum, Field(description="max(0, captured - refunded - total)")]
    refunded: Sum


def not_one_of_both(sent: Any) -> PydanticCustomError | None:  # noqa: ANN401 - as _not_too_many
    """Find that a coupon, or what was sent for one, takes off neither or both."""
    coupon = members(sent)
    return _one_of_both(coupon.get("percent_off"), coupon.get("amount_off")) if coupon else None


def _one_of_both(percent_off: object, amount_off: object) -> PydanticCustomError | None:
    if (percent_off is None) == (amount_off is None):
        return fields_error(
            ["/percent_off", "/amount_off"], "send exactly one of percent_off and amount_off"
        )
    return None


class Coupon(Value):
    """A coupon on the sum of the lines: a percentage or an amount, never both."""

    code: Text64
    percent_off: Percent | None = None
    amount_off: Money | None = None

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if (problem := _one_of_both(self.percent_off, self.amount_off)) is not None:
            raise problem
        return self


class Payment(Part):
    """A payment: what was authorized on it, captured of that, and refunded of that."""

    key = "payment_id"

    payment_id: PartId
    method: Text64
    authorized: Sum
    captured: Sum
    refunded: Sum
    declined: bool = False


class Refund(Part):
    """Money that went back on a payment."""

    key = "refund_id"

    refund_id: PartId
    payment_id: PartId
    amount: Sum
    reason: Annotated[Text500, PERSONAL]


class Item(Value):
    """So many units of one line."""

    line_id: LineId
    quantity: Quantity


def _not_too_many(sent: Any) -> Any:  # noqa: ANN401 - a validator sees whatever the client sent
    # Before each of them is looked at: a body full of wrong ones would be answered with megabytes.
    if isinstance(sent, list) and len(sent) > MAX_LINES:
        raise ValueError(f"must have at most {MAX_LINES} items, not {len(sent)}")
    return sent


NotTooMany: Final = BeforeValidator(_not_too_many)
"""At most so many as an order has lines."""


def _line_again(sent: Any) -> PydanticCustomError | None:  # noqa: ANN401 - as _not_too_many
    seen: set[int] = set()
    twice = []
    for number, item in enumerate(sent if isinstance(sent, list | tuple) else ()):
        line_id = members(item).get("line_id")
        if isinstance(line_id, int):
            if line_id in seen:
                twice.append(f"/{number}/line_id")
            seen.add(line_id)
    return fields_error(twice, "the line is named before; name it once") if twice else None


def _validate_items(sent: Any, validate: ValidatorFunctionWrapHandler) -> Any:  # noqa: ANN401 - as _not_too_many
    return validate_with(sent, validate, _line_again)


_EachLineOnce: Final = WrapValidator(_validate_items)

Items = Annotated[
    tuple[Item, ...], Field(min_length=1, max_length=MAX_LINES), _EachLineOnce, NotTooMany
]


class Shipment(Part):
    """A parcel: what is in it, and where it is."""

    key = "shipment_id"

    shipment_id: PartId
    carrier: Text100
    tracking_number: Text100 | None = None
    items: tuple[Item, ...]
    state: Literal["shipped", "delivered", "lost"] = "shipped"
    shipped_at: Instant
    delivered_at: Instant | None = None
    signed_by: Annotated[Text200 | None, PERSONAL] = None


class ReturnItem(Item):
    """So many units of one line that come back, and why."""

    reason: Annotated[Text500, PERSONAL]


class ReceivedItem(Value):
    """So many units of one line that really came back; none of them may have."""

    line_id: LineId
    quantity: Count


class SentReturnItem(ReturnItem):
    """So many units of one line that are to come back, and why."""

    reason: Annotated[SentText500, PERSONAL]


def _stored(sent: ReturnItem) -> ReturnItem:
    # Equal to the return's item only if it has its class.
    return ReturnItem(**dict(sent))


ReturnItems = Annotated[
    tuple[Annotated[SentReturnItem, AfterValidator(_stored)], ...],
    Field(min_length=1, max_length=MAX_LINES),
    _EachLineOnce,
    NotTooMany,
]
ReceivedItems = Annotated[
    tuple[ReceivedItem, ...], Field(max_length=MAX_LINES), _EachLineOnce, NotTooMany
]


class Return(Part):
    """Items that a customer sends back: what was asked for and what really came."""

    key = "return_id"

    return_id: PartId
    items: tuple[ReturnItem, ...]
    requested_at: Instant
    state: Literal["requested", "approved", "rejected", "received"] = "requested"
    received: tuple[ReceivedItem, ...] | None = None

    @property
    def is_open(self) -> bool:
        """Return whether its items may still come."""
        return self.state in {"requested", "approved"}


PARTS: Final[dict[str, type[Part]]] = {
    "lines": Line,
    "payments": Payment,
    "shipments": Shipment,
    "returns": Return,
    "refunds": Refund,
}
"""The kinds of parts, by the field that has them: of the order, of ``After``, of documents."""
