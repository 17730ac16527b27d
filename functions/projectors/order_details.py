"""ordering.orders → order_details: one order as GET /orders/{order_id} sends it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final, assert_never

from ordering.domain.events import (
    CouponApplied,
    CouponRemoved,
    FulfilmentStarted,
    ItemsShipped,
    LineCancelled,
    LineQuantityChanged,
    NoteAdded,
    OrderCancelled,
    OrderCompleted,
    OrderConfirmed,
    OrderHeld,
    OrderLineAdded,
    OrderLineRemoved,
    OrderPlaced,
    OrderReleased,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    ReturnApproved,
    ReturnReceived,
    ReturnRejected,
    ReturnRequested,
    ShipmentDelivered,
    ShipmentLost,
    ShippingAddressChanged,
)
from ordering.read_side.documents import costs_nothing, money, order_document, upserted
from ordering.read_side.freshness import rfc3339
from ordering.read_side.projection import Document, ProjectorFunction

if TYPE_CHECKING:
    from ordering.delivery.published import PublishedEvent
    from ordering.domain.parts import Line, Payment, Refund, Return, Shipment

LOAD: Final = """
select order_id::text, version, document, last_event_time from order_details
where order_id = any(%(order_ids)s::uuid[])
"""
SAVE: Final = """
insert into order_details (order_id, version, customer_id, document, last_event_time)
select r.order_id, r.version, r.document ->> 'customer_id', r.document, r.last_event_time
from json_to_recordset(%(rows)s::json) as r (
  order_id uuid, version int, document json, last_event_time timestamptz
)
on conflict (order_id) do update
set version = excluded.version, document = excluded.document,
  last_event_time = excluded.last_event_time
where order_details.version < excluded.version
"""


def fold(document: Document | None, published: PublishedEvent) -> Document:
    """Give the order's document after one more event."""
    fact, after = published.fact, published.after
    if isinstance(fact, OrderPlaced):
        document = _placed(published.order_id, fact)
    document = order_document(document)
    currency = document["currency"]
    document = document | {
        "version": published.version,
        "status": after.status,
        "updated_at": rfc3339(published.time),
        **_said(document, published),
    }
    for name, sums in (("totals", after.totals), ("balance", after.balance)):
        if sums is not None:
            document[name] = {key: money(amount, currency) for key, amount in sums}
    if after.units is not None:
        document["units"] = after.units.model_dump()
    for name, key, changed in (
        ("lines", "line_id", after.lines),
        ("payments", "payment_id", after.payments),
        ("shipments", "shipment_id", after.shipments),
        ("returns", "return_id", after.returns),
        ("refunds", "refund_id", after.refunds),
    ):
        if changed is not None:
            parts = [_part(part, currency) for part in changed]
            document[name] = upserted(document[name], parts, key)
    if costs_nothing(published):
        return document | _all_cancelled(document)
    if document["cancelled_at"] is None and _is_cancelled_by(published, document):
        document["cancelled_at"] = rfc3339(published.time)
        reason = fact.reason if isinstance(fact, LineCancelled) else None
        document["cancellation_reason"] = reason
    return document


def _placed(order_id: str, fact: OrderPlaced) -> Document:
    return {
        "order_id": order_id,
        "version": 0,
        "status": "",
        "updated_at": None,
        "customer_id": fact.customer_id,
        "currency": fact.currency,
        "reference": fact.reference,
        "placed_at": rfc3339(fact.placed_at),
        "confirmed_at": None,
        "completed_at": None,
        "cancelled_at": None,
        "cancellation_reason": None,
        "held": None,
        "fulfilment": None,
        "coupon": None,
        "lines": [_part(line, fact.currency) for line in fact.lines],
        "totals": None,
        "balance": None,
        "units": None,
        "payments": [],
        "shipments": [],
        "returns": [],
        "refunds": [],
        "notes": [],
        "shipping_address": fact.shipping_address.model_dump(),
        "billing_address": fact.billing_address and fact.billing_address.model_dump(),
    }


def _is_cancelled_by(published: PublishedEvent, document: Document) -> bool:
    """Tell whether the event cancelled the last units that were left of the order."""
    return published.after.lines is not None and all(
        line["cancelled"] == line["ordered"] for line in document["lines"]
    )


def _all_cancelled(document: Document) -> Document:
    nothing = money(Decimal(0), document["currency"])
    return {
        "totals": dict.fromkeys(document["totals"], nothing),
        "balance": dict.fromkeys(document["balance"], nothing),
        "units": document["units"] | {"kept": 0, "to_ship": 0},
        "lines": [
            line | {"cancelled": line["ordered"], "total": nothing, "tax": nothing}
            for line in document["lines"]
        ],
    }


def _said(document: Document, published: PublishedEvent) -> Document:  # noqa: C901, PLR0911, PLR0912 - one case per fact
    """Give what the fact itself says, beside what followed from it."""
    time = rfc3339(published.time)
    match published.fact:
        case OrderConfirmed():
            return {"confirmed_at": time}
        case OrderCompleted():
            return {"completed_at": time}
        case OrderCancelled(reason=reason):
            return {"cancelled_at": time, "cancellation_reason": reason}
        case OrderHeld(reason=reason):
            return {"held": {"since": time, "reason": reason}}
        case OrderReleased():
            return {"held": None}
        case FulfilmentStarted(warehouse=warehouse):
            return {"fulfilment": {"started_at": time, "warehouse": warehouse}}
        case CouponApplied(coupon=coupon):
            return {"coupon": coupon.model_dump(mode="json")}
        case CouponRemoved():
            return {"coupon": None}
        case ShippingAddressChanged(shipping_address=address):
            return {"shipping_address": address.model_dump()}
        case OrderLineRemoved(line_id=line_id):
            return {"lines": [line for line in document["lines"] if line["line_id"] != line_id]}
        case NoteAdded(text=text):
            note = {"at": time, "actor": published.actor, "text": text}
            return {"notes": [*document["notes"], note]}
        case (
            OrderPlaced()
            | OrderLineAdded()
            | LineQuantityChanged()
            | LineCancelled()
            | PaymentAuthorized()
            | PaymentCaptured()
            | PaymentDeclined()
            | PaymentRefunded()
            | ItemsShipped()
            | ShipmentDelivered()
            | ShipmentLost()
            | ReturnRequested()
            | ReturnApproved()
            | ReturnRejected()
            | ReturnReceived()
        ):
            return {}
        case _:
            assert_never(published.fact)


AMOUNTS: Final = frozenset(
    {"unit_price", "total", "coupon_share", "tax", "authorized", "captured", "refunded", "amount"}
)
"""Fields of parts that are amounts of the order's currency."""
_TIMES: Final = frozenset({"shipped_at", "delivered_at", "requested_at"})


def _part(part: Line | Payment | Shipment | Return | Refund, currency: str) -> Document:
    """Write a part as the HTTP contract does: amounts with their currency, times in UTC."""
    written = part.model_dump(mode="json")
    for name in written.keys() & AMOUNTS:
        written[name] = money(getattr(part, name), currency)
    for name in written.keys() & _TIMES:
        written[name] = written[name] and rfc3339(getattr(part, name))
    return written


handler = ProjectorFunction("order_details", load=LOAD, save=SAVE, fold=fold)
