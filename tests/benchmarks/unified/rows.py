"""What one event changes in the unified model, as rows of its tables. Pure.

The order's own row is made of the order and of what only that row knows: when things happened.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from ordering.domain import events
from ordering.domain.stages import Progress, stages_of
from ordering.read_side.documents import write_part, write_sums
from ordering.read_side.freshness import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from ordering.domain.order import Order
    from ordering.domain.parts import Return, Shipment
    from ordering.domain.recorded import Recorded

Rows = dict[str, list[dict[str, Any]]]
"""Of each table the rows that are new or changed."""

_PARTS: Final = ("lines", "payments", "shipments", "returns", "refunds")


def order_row(order_id: str, order: Order) -> dict[str, Any]:
    """Return the columns of the order's row that its state says."""
    coupon = order.coupon
    totals = order.totals
    return {
        "order_id": order_id,
        "customer_id": order.customer_id,
        "currency": order.currency,
        "reference": order.reference,
        "placed_at": rfc3339(order.placed_at),
        "coupon_code": coupon and coupon.code,
        "coupon_percent_off": coupon and _text(coupon.percent_off),
        "coupon_amount_off": coupon and coupon.amount_off and str(coupon.amount_off.amount),
        "shipping_fee": str(order.shipping_fee),
        "last_line_id": order.last_line_id,
        "lines_total": str(totals.lines),
        "discount": str(totals.discount),
        "tax": str(totals.tax),
        "shipping": str(totals.shipping),
        "total": str(totals.total),
        "shipping_address": order.shipping_address.model_dump(),
        "billing_address": order.billing_address and order.billing_address.model_dump(),
    }


def moments(before: Order | None, recorded: Recorded, now: Order, at: datetime) -> dict[str, Any]:
    """Return the columns of the order's row that the event itself changes."""
    fact, time = recorded.fact, rfc3339(at)
    changed: dict[str, Any] = {"status": recorded.after.status, "updated_at": time}
    match fact:
        case events.OrderConfirmed():
            changed["confirmed_at"] = rfc3339(fact.confirmed_at or at)
        case events.OrderCompleted():
            changed["completed_at"] = time
        case events.OrderHeld():
            changed |= {"held_since": time, "hold_reason": fact.reason}
        case events.OrderReleased():
            changed |= {"held_since": None, "hold_reason": None}
        case events.FulfilmentStarted():
            changed |= {"fulfilment_started_at": time, "warehouse": fact.warehouse}
        case events.OrderCancelled() | events.LineCancelled():
            if now.is_cancelled:
                changed |= {"cancelled_at": time, "cancellation_reason": fact.reason}
        case _:
            # The last line that was not cancelled was taken out of the order.
            if before and now.is_cancelled and not before.is_cancelled:
                changed["cancelled_at"] = time
    return changed


def rows_of(
    before: Order | None,
    recorded: Recorded,
    now: Order,
    *,
    order_id: str,
    version: int,
    at: datetime,
    actor: str,
) -> Rows:
    """Return the rows that one event adds or changes, without the order's own.

    ``order_tasks`` has those that begin, ``ended_tasks`` those that end, ``removed_lines`` the
    line that is taken out.
    """
    fact, after = recorded.fact, recorded.after
    of_order = {"order_id": order_id}
    lines = now.lines if before is None else after.lines or ()
    rows: Rows = {
        "order_lines": [of_order | _texts(vars(line)) for line in lines],
        "payments": [
            of_order | _numbered(now.payments, payment.payment_id) | _texts(vars(payment))
            for payment in after.payments or ()
        ],
        "refunds": [
            of_order | _numbered(now.refunds, refund.refund_id) | _texts(vars(refund))
            for refund in after.refunds or ()
        ],
        "order_changes": [
            of_order
            | {
                "version": version,
                "event": type(fact).__name__,
                "at": rfc3339(at),
                "actor": actor,
                "status": after.status,
                "details": _details(recorded, now.currency),
                "changes": _changes(before, recorded, now),
            }
        ],
        **_shipped(order_id, now, after.shipments or (), fact),
        **_returned(order_id, now, after.returns or (), fact),
        **_tasks(order_id, before, recorded, now, at),
        **_postings(of_order | {"version": version}, before, recorded, now, at),
    }
    if isinstance(fact, events.NoteAdded):
        note = {"version": version, "at": rfc3339(at), "actor": actor, "text": fact.text}
        rows["notes"] = [of_order | note]
    if isinstance(fact, events.OrderLineRemoved):
        rows["removed_lines"] = [of_order | {"line_id": fact.line_id}]
    return {table: those for table, those in rows.items() if those}


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else str(amount)


def _texts(values: dict[str, Any]) -> dict[str, Any]:
    return {n: str(v) if isinstance(v, Decimal) else v for n, v in values.items()}


def _numbered(parts: Iterable[Any], part_id: str) -> dict[str, int]:
    return {"number": next(n for n, part in enumerate(parts) if part.part_id == part_id)}


def _shipped(
    order_id: str, now: Order, shipments: Iterable[Shipment], fact: events.OrderEvent
) -> Rows:
    rows: Rows = {"shipments": [], "shipment_items": []}
    for shipment in shipments:
        of_shipment = {"order_id": order_id, "shipment_id": shipment.shipment_id}
        rows["shipments"].append(
            of_shipment
            | _numbered(now.shipments, shipment.shipment_id)
            | {
                "carrier": shipment.carrier,
                "tracking_number": shipment.tracking_number,
                "state": shipment.state,
                "shipped_at": rfc3339(shipment.shipped_at),
                "delivered_at": shipment.delivered_at and rfc3339(shipment.delivered_at),
                "signed_by": shipment.signed_by,
            }
        )
        if isinstance(fact, events.ItemsShipped):
            rows["shipment_items"] += [
                of_shipment | {"number": n} | vars(item) for n, item in enumerate(shipment.items)
            ]
    return rows


def _returned(
    order_id: str, now: Order, returns: Iterable[Return], fact: events.OrderEvent
) -> Rows:
    rows: Rows = {"returns": [], "return_items": [], "received_items": []}
    for each in returns:
        of_return = {"order_id": order_id, "return_id": each.return_id}
        rows["returns"].append(
            of_return
            | _numbered(now.returns, each.return_id)
            | {"state": each.state, "requested_at": rfc3339(each.requested_at)}
        )
        if isinstance(fact, events.ReturnRequested):
            rows["return_items"] += [
                of_return | {"number": n} | vars(item) for n, item in enumerate(each.items)
            ]
        if isinstance(fact, events.ReturnReceived):
            rows["received_items"] += [
                of_return | {"number": n} | vars(item) for n, item in enumerate(each.received or ())
            ]
    return rows


def _happened_at(fact: events.OrderEvent, at: datetime) -> datetime:
    return (fact.confirmed_at if isinstance(fact, events.OrderConfirmed) else None) or at


def _tasks(
    order_id: str, before: Order | None, recorded: Recorded, now: Order, at: datetime
) -> Rows:
    had, has = _stages(before), _stages(now)
    since = rfc3339(_happened_at(recorded.fact, at))
    return {
        "order_tasks": [
            {"order_id": order_id, "stage": stage, "since": since} for stage in has - had
        ],
        "ended_tasks": [{"order_id": order_id, "stage": stage} for stage in had - has],
    }


def _stages(order: Order | None) -> set[str]:
    if order is None:
        return set()
    units, balance = order.units, order.balance
    return {
        *stages_of(
            Progress(
                is_confirmed=order.confirmed,
                is_held=order.held,
                is_in_fulfilment=order.in_fulfilment,
                has_open_return=any(each.is_open for each in order.returns),
                to_ship=units.to_ship,
                shipped=units.shipped,
                delivered=units.delivered,
                owed=balance.owed,
                due_back=balance.due_back,
            )
        )
    }


def _postings(
    of_event: dict[str, Any], before: Order | None, recorded: Recorded, now: Order, at: datetime
) -> Rows:
    """Return the entries of the ledgers: what was sold, and what was taken off it later."""
    fact = recorded.fact
    entry: dict[str, Any] = dict.fromkeys(("orders", "items"), 0)
    amounts = ("gross", "discounts", "tax", "shipping", "cancelled", "returned", "refunded")
    entry |= dict.fromkeys(amounts, now.totals.total - now.totals.total)  # with its digits
    of_line = {"at": rfc3339(_happened_at(fact, at)), "currency": now.currency}
    if isinstance(fact, events.OrderConfirmed):
        totals = now.totals
        entry |= {"orders": 1, "items": now.units.kept, "gross": totals.lines}
        entry |= {"discounts": totals.discount, "tax": totals.tax, "shipping": totals.shipping}
        lines = [
            {
                "line_id": line.line_id,
                "sku": line.sku,
                "sold": line.ordered - line.cancelled,
                "cancelled": 0,
                "returned": 0,
                "revenue": str(line.total - line.coupon_share),
            }
            for line in now.lines
        ]
    elif before is None or not before.confirmed:
        return {}
    else:
        lost = before.totals.total - now.totals.total
        entry["returned" if isinstance(fact, events.ReturnReceived) else "cancelled"] = lost
        entry["refunded"] = now.balance.refunded - before.balance.refunded
        lines = _line_changes(before, now)
    postings = [of_event | of_line | _texts(entry)] if any(entry.values()) else []
    return {
        "order_postings": postings,
        "line_postings": [of_event | of_line | line for line in lines],
    }


def _line_changes(before: Order, now: Order) -> list[dict[str, Any]]:
    known = {line.line_id: line for line in before.lines}
    changes = []
    for line in now.lines:
        was = known[line.line_id]
        if was is line:
            continue
        change = {
            "cancelled": line.cancelled - was.cancelled,
            "returned": line.returned - was.returned,
            "revenue": line.total - line.coupon_share - was.total + was.coupon_share,
        }
        if any(change.values()):
            of_line = {"line_id": line.line_id, "sku": line.sku, "sold": 0}
            changes.append(of_line | _texts(change))
    return changes


def _details(recorded: Recorded, currency: str) -> dict[str, Any]:
    details = write_part(recorded.fact, currency)
    details.pop("lines", None)
    if details.get("confirmed_at", "") is None:
        del details["confirmed_at"]
    return details


def _changes(before: Order | None, recorded: Recorded, now: Order) -> dict[str, Any]:
    """Return what the event changed, as a history shows it."""
    after, changes = recorded.after, dict[str, Any]()
    if before is None or before.status != after.status:
        changes["status"] = after.status
    if before is None or before.totals != now.totals:
        changes["totals"] = write_sums(now.totals, now.currency)
    if before is None or before.balance != now.balance:
        changes["balance"] = write_sums(now.balance, now.currency)
    if before is None or before.units != now.units:
        changes["units"] = dict(vars(now.units))
    for name in _PARTS:
        parts = now.lines if before is None and name == "lines" else getattr(after, name)
        if parts:
            changes[name] = [write_part(part, now.currency) for part in parts]
    return changes
