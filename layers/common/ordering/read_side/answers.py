"""The shape of what queries answer, as types: the OpenAPI document is generated from them.

A query's ``answer`` is annotated with ``Answer[<its TypedDict>]``. The parts of an order are
annotated with the domain's own types (``Line``, ``Payment``); documents show each of their fields,
with amounts as money.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Generic, TypeVar

from pydantic import Field
from typing_extensions import TypedDict

if TYPE_CHECKING:
    from ordering.domain.values import Money, Status

BodyT = TypeVar("BodyT")

Uuid = Annotated[str, Field(json_schema_extra={"format": "uuid"})]
InstantText = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""A time in UTC (RFC 3339)."""
DayText = Annotated[str, Field(json_schema_extra={"format": "date"})]
Version = Annotated[int, Field(ge=1)]
Number = Annotated[int, Field(ge=0)]


class SignedMoney(TypedDict):
    """An amount that may be below zero: on a day on which more came back than was sold."""

    amount: Annotated[str, Field(pattern=r"^-?[0-9]+(\.[0-9]{1,4})?$")]
    currency: str


class OrderItem(TypedDict):
    """An order in a list."""

    order_id: Uuid
    version: Version
    status: Status
    updated_at: InstantText
    customer_id: str
    reference: str | None
    placed_at: InstantText
    currency: str
    total: Money
    line_count: Number
    item_count: Annotated[int, Field(ge=0, description="units neither cancelled nor returned")]


class CurrencySummary(TypedDict):
    """What a customer ordered in one currency; amounts of several are never added up.

    ``orders`` are those that are not cancelled; ``lifetime_value`` is what they cost by now,
    without what was cancelled or returned, and ``average`` that of one of them.
    """

    currency: str
    orders: Number
    cancelled: Number
    lifetime_value: Money
    average: Money | None
    returns: Number
    refunded: Money
    first_order_at: InstantText
    last_order_at: InstantText


@dataclass(frozen=True)
class Answer(Generic[BodyT]):
    """The JSON of an answer, as it is sent; ``version`` makes the ETag of a single resource.

    ``BodyT`` is the type of the JSON document. It is read by the OpenAPI generator only.
    """

    body: str
    version: int = 0
