"""ordering.orders → order_details: one order as GET /orders/{order_id} sends it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, assert_never

from ordering.domain import events
from ordering.domain.parts import PARTS
from ordering.read_side.documents import (
    costs_nothing,
    happened_at,
    money,
    order_document,
    upserted,
    write_part,
    write_sums,
)
from ordering.read_side.freshness import rfc3339
from ordering.read_side.projection import ProjectorFunction
from ordering.read_side.shapes import Document, OneRow

if TYPE_CHECKING:
    from ordering.delivery.published import PublishedEvent


def fold(document: Document | None, published: PublishedEvent) -> Document:
    """Return the order's document after one more event."""
    fact, after = published.fact, published.after
    if isinstance(fact, events.OrderPlaced):
        document = _placed(published.order_id, fact)
    document = order_document(document)
    currency = document["currency"]
    time = rfc3339(published.time)
    document = document | {
        "version": published.version,
        "status": after.status,
        "updated_at": time,
        **_changes(document, published, time),
    }
    if after.totals is not None:
        document["totals"] = write_sums(after.totals, currency)
    if after.balance is not None:
        document["balance"] = write_sums(after.balance, currency)
    if after.units is not None:
        document["units"] = dict(vars(after.units))
    for name, kind in PARTS.items():
        if (changed := getattr(after, name)) is not None:
            parts = [write_part(part, currency) for part in changed]
            document[name] = upserted(document[name], parts, kind.key)
    if costs_nothing(published):
        return document | _all_cancelled(document)
    if document["cancelled_at"] is None and _is_cancelled_by(published, document):
        document["cancelled_at"] = time
        reason = fact.reason if isinstance(fact, events.LineCancelled) else None
        document["cancellation_reason"] = reason
    return document


def _placed(order_id: str, fact: events.OrderPlaced) -> Document:
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
        "lines": [write_part(line, fact.currency) for line in fact.lines],
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
    """Return whether the event cancelled the last units that were left of the order."""
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


def _changes(document: Document, published: PublishedEvent, time: str) -> Document:  # noqa: C901, PLR0911, PLR0912 - one case per event
    """Return the fields that the event itself changes, besides those in its ``after``."""
    match published.fact:
        case events.OrderConfirmed():
            return {"confirmed_at": rfc3339(happened_at(published))}
        case events.OrderCompleted():
            return {"completed_at": time}
        case events.OrderCancelled(reason=reason):
            return {"cancelled_at": time, "cancellation_reason": reason}
        case events.OrderHeld(reason=reason):
            return {"held": {"since": time, "reason": reason}}
        case events.OrderReleased():
            return {"held": None}
        case events.FulfilmentStarted(warehouse=warehouse):
            return {"fulfilment": {"started_at": time, "warehouse": warehouse}}
        case events.CouponApplied(coupon=coupon):
            return {"coupon": coupon.model_dump(mode="json")}
        case events.CouponRemoved():
            return {"coupon": None}
        case events.ShippingAddressChanged(shipping_address=address):
            return {"shipping_address": address.model_dump()}
        case events.OrderLineRemoved(line_id=line_id):
            return {"lines": [line for line in document["lines"] if line["line_id"] != line_id]}
        case events.NoteAdded(text=text):
            note = {"at": time, "actor": published.actor, "text": text}
            return {"notes": [*document["notes"], note]}
        case (
            events.OrderPlaced()
            | events.LineOrdered()
            | events.LineCancelled()
            | events.PaymentChanged()
            | events.ShipmentChanged()
            | events.ReturnChanged()
        ):
            return {}
        case _:
            assert_never(published.fact)


handler = ProjectorFunction("order_details", fold, OneRow())
