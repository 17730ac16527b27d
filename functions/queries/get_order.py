"""GET /orders/{order_id}: everything about one order; its ETag is the order's version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from typing_extensions import TypedDict

from ordering.domain.errors import ORDER_NOT_FOUND, NotFound
from ordering.domain.values import Value
from ordering.read_side.answers import Answer
from ordering.read_side.query import QueryFunction
from ordering.runtime.ids import order_id_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordering.domain.parts import (
        Balance,
        Coupon,
        Line,
        Payment,
        Refund,
        Return,
        Shipment,
        Totals,
        Units,
    )
    from ordering.domain.values import Address, Status
    from ordering.read_side.answers import InstantText, Uuid, Version
    from ordering.runtime.http import Principal
    from ordering.runtime.postgres import Row

SQL: Final = """
select document::text, version from order_details
where order_id = %(order_id)s::uuid and (%(caller)s is null or customer_id = %(caller)s)
"""


class Hold(TypedDict):
    """Why an order is held."""

    since: InstantText
    reason: str


class Fulfilment(TypedDict):
    """Where an order is picked and packed."""

    started_at: InstantText
    warehouse: str | None


class Note(TypedDict):
    """What somebody noted about an order."""

    at: InstantText
    actor: str
    text: str


class Order(TypedDict):
    """Everything about one order."""

    order_id: Uuid
    version: Version
    status: Status
    updated_at: InstantText
    customer_id: str
    currency: str
    reference: str | None
    placed_at: InstantText
    confirmed_at: InstantText | None
    completed_at: InstantText | None
    cancelled_at: InstantText | None
    cancellation_reason: str | None
    held: Hold | None
    fulfilment: Fulfilment | None
    coupon: Coupon | None
    lines: list[Line]
    totals: Totals
    balance: Balance
    units: Units
    payments: list[Payment]
    shipments: list[Shipment]
    returns: list[Return]
    refunds: list[Refund]
    notes: list[Note]
    shipping_address: Address
    billing_address: Address | None


class GetOrder(Value):
    """Which order."""

    order_id: str


def parameters(question: GetOrder, _: Principal) -> Mapping[str, object] | NotFound:
    """Answer 404 to a text that is no order id, without asking the database."""
    order_id = order_id_of(question.order_id)
    if order_id is None:
        return ORDER_NOT_FOUND
    return {"order_id": order_id}


def answer(_: GetOrder, rows: Sequence[Row]) -> Answer[Order] | NotFound:
    """Send the stored document as it is."""
    if not rows:
        return ORDER_NOT_FOUND
    document, version = rows[0]
    return Answer(document, version)


handler = QueryFunction(
    GetOrder,
    read_models=["order_details"],
    is_single_resource=True,
    sql=SQL,
    parameters=parameters,
    answer=answer,
)
