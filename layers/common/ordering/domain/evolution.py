"""How each event changes the Order, and what its event says about the result. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar, assert_never

from . import events
from .limits import text_bytes
from .order import Order
from .parts import PARTS, Coupon, Item, Line, Payment, Refund, Return, Shipment
from .pricing import price, price_line, total_of
from .recorded import After, Recorded
from .status import status_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from .events import OrderEvent, ShipmentEvent

PartT = TypeVar("PartT", Line, Payment, Refund, Return, Shipment)


def evolve(order: Order | None, event: OrderEvent) -> Order:
    """Return the order after ``event``; ``None`` is the order before its first event.

    Raises:
        ValueError: the event cannot be this order's next one (its log is damaged).
    """
    if isinstance(event, events.OrderPlaced):
        if order is not None:
            raise ValueError("an order is placed only once")
        return _placed(event)
    if order is None:
        raise ValueError(f"the first event of an order is OrderPlaced, not {type(event).__name__}")
    return order.model_copy(update=_changes(order, event))


def _placed(event: events.OrderPlaced) -> Order:
    return Order(
        customer_id=event.customer_id,
        currency=event.currency,
        lines=event.lines,
        last_line_id=len(event.lines),
        totals=total_of(event.lines, event.shipping_fee, event.currency),
        shipping_fee=event.shipping_fee,
        shipping_address=event.shipping_address,
        billing_address=event.billing_address,
        reference=event.reference,
        placed_at=event.placed_at,
    )


def _changes(order: Order, event: OrderEvent) -> Mapping[str, Any]:  # noqa: C901, PLR0911, PLR0912 - one case per fact
    match event:
        case events.LineOrdered():
            return _ordered(order, event)
        case events.LineCancelled(line_id=line_id, quantity=quantity):
            return _priced(order, _with_lines(order, {line_id: quantity}, _cancel))
        case events.OrderCancelled():
            to_ship = {line.line_id: line.to_ship for line in order.lines}
            return _priced(order, _with_lines(order, to_ship, _cancel))
        case events.CouponApplied(coupon=coupon):
            return _priced(order, order.lines, coupon)
        case events.CouponRemoved():
            return _priced(order, order.lines, None)
        case events.ShippingAddressChanged(shipping_address=address):
            return {"shipping_address": address}
        case events.OrderConfirmed():
            return {"confirmed": True}
        case events.OrderHeld():
            return {"held": True}
        case events.OrderReleased():
            return {"held": False}
        case (
            events.PaymentAuthorized()
            | events.PaymentCaptured()
            | events.PaymentDeclined()
            | events.PaymentRefunded()
        ):
            return _paid(order, event)
        case events.FulfilmentStarted():
            return {"in_fulfilment": True}
        case events.ShipmentChanged():
            return _shipped(order, event)
        case events.OrderCompleted():
            return {"completed": True}
        case (
            events.ReturnRequested()
            | events.ReturnApproved()
            | events.ReturnRejected()
            | events.ReturnReceived()
        ):
            return _returned(order, event)
        case events.NoteAdded(text=text):
            return {
                "note_count": order.note_count + 1,
                "note_bytes": order.note_bytes + text_bytes(text),
            }
        case events.OrderPlaced():
            return {}
        case _:
            assert_never(event)


def _ordered(
    order: Order,
    event: events.OrderLineAdded | events.LineQuantityChanged | events.OrderLineRemoved,
) -> Mapping[str, Any]:
    match event:
        case events.OrderLineAdded():
            line = price_line(**dict(event), currency=order.currency)
            return {
                **_priced(order, (*order.lines, line)),
                "last_line_id": event.line_id,
            }
        case events.LineQuantityChanged(line_id=line_id, quantity=quantity):
            return _priced(
                order,
                _with_lines(order, {line_id: quantity}, lambda _, units: {"ordered": units}),
            )
        case events.OrderLineRemoved(line_id=line_id):
            return _priced(order, tuple(line for line in order.lines if line.line_id != line_id))


def _paid(
    order: Order,
    event: events.PaymentAuthorized
    | events.PaymentCaptured
    | events.PaymentDeclined
    | events.PaymentRefunded,
) -> Mapping[str, Any]:
    if isinstance(event, events.PaymentAuthorized):
        nothing = event.amount - event.amount
        payment = Payment(
            payment_id=event.payment_id,
            method=event.method,
            authorized=event.amount,
            captured=nothing,
            refunded=nothing,
            declined=False,
        )
        return {"payments": (*order.payments, payment)}
    found = _found(order.payment(event.payment_id), event)
    match event:
        case events.PaymentCaptured(amount=amount):
            change: dict[str, Any] = {"captured": found.captured + amount}
        case events.PaymentDeclined():
            change = {"declined": True}
        case events.PaymentRefunded(amount=amount):
            change = {"refunded": found.refunded + amount}
    payments = {"payments": _replaced(order.payments, found, change)}
    if isinstance(event, events.PaymentRefunded):
        return {**payments, "refunds": (*order.refunds, Refund(**dict(event)))}
    return payments


def _shipped(order: Order, event: ShipmentEvent) -> Mapping[str, Any]:
    if isinstance(event, events.ItemsShipped):
        shipment = Shipment(**dict(event), state="shipped", delivered_at=None, signed_by=None)
        return {
            "lines": _with_lines(order, _units(event.items), _ship),
            "shipments": (*order.shipments, shipment),
        }
    found = _found(order.shipment(event.shipment_id), event)
    match event:
        case events.ShipmentDelivered():
            change: dict[str, Any] = {
                "state": "delivered",
                "delivered_at": event.delivered_at,
                "signed_by": event.signed_by,
            }
            arrived = _deliver
        case events.ShipmentLost():
            change = {"state": "lost"}
            arrived = _lose
    return {
        "lines": _with_lines(order, _units(found.items), arrived),
        "shipments": _replaced(order.shipments, found, change),
    }


def _returned(
    order: Order,
    event: events.ReturnRequested
    | events.ReturnApproved
    | events.ReturnRejected
    | events.ReturnReceived,
) -> Mapping[str, Any]:
    if isinstance(event, events.ReturnRequested):
        asked = Return(**dict(event), state="requested", received=None)
        return {"returns": (*order.returns, asked)}
    found = _found(order.return_(event.return_id), event)
    match event:
        case events.ReturnApproved():
            return {"returns": _replaced(order.returns, found, {"state": "approved"})}
        case events.ReturnRejected():
            return {"returns": _replaced(order.returns, found, {"state": "rejected"})}
        case events.ReturnReceived(items=items):
            received = {"state": "received", "received": items}
            units = {item.line_id: item.quantity for item in items}
            return {
                **_priced(order, _with_lines(order, units, _take_back)),
                "returns": _replaced(order.returns, found, received),
            }


def _cancel(line: Line, units: int) -> Mapping[str, Any]:
    cancelled = line.cancelled + units
    # What is not to ship any more is not to ship again either.
    return {"cancelled": cancelled, "lost": min(line.lost, line.to_ship - units)}


def _ship(line: Line, units: int) -> Mapping[str, Any]:
    # Ship lost units first, because they are the ones to be shipped again.
    return {"shipped": line.shipped + units, "lost": max(0, line.lost - units)}


def _deliver(line: Line, units: int) -> Mapping[str, Any]:
    return {"delivered": line.delivered + units}


def _lose(line: Line, units: int) -> Mapping[str, Any]:
    return {"shipped": line.shipped - units, "lost": line.lost + units}


def _take_back(line: Line, units: int) -> Mapping[str, Any]:
    return {"returned": line.returned + units}


def _with_lines(
    order: Order, units: Mapping[int, int], change: Callable[[Line, int], Mapping[str, Any]]
) -> tuple[Line, ...]:
    """Return the lines, those in ``units`` (by line id) changed by so many units each."""
    unknown = units.keys() - {line.line_id for line in order.lines}
    if unknown:
        raise ValueError(f"the order has no lines {sorted(unknown)}")
    return tuple(
        line.model_copy(update=change(line, units[line.line_id])) if line.line_id in units else line
        for line in order.lines
    )


_SAME: Final = Coupon.model_construct(code="")


def _priced(
    order: Order, lines: tuple[Line, ...], coupon: Coupon | None = _SAME
) -> Mapping[str, Any]:
    """Return lines, totals and coupon with their amounts computed anew."""
    coupon = order.coupon if coupon is _SAME else coupon
    priced, totals = price(lines, coupon, order.shipping_fee, order.currency)
    return {"lines": priced, "totals": totals, "coupon": coupon}


def _replaced(parts: tuple[PartT, ...], old: PartT, change: Mapping[str, Any]) -> tuple[PartT, ...]:
    return tuple(part.model_copy(update=change) if part is old else part for part in parts)


def _units(items: Iterable[Item]) -> dict[int, int]:
    return {item.line_id: item.quantity for item in items}


def _found(part: PartT | None, event: OrderEvent) -> PartT:
    if part is None:
        raise ValueError(f"{event!r} is about something that the order does not have")
    return part


def record(order: Order | None, facts: Sequence[OrderEvent]) -> tuple[list[Recorded], Order]:
    """Apply the events in order; return each with the changes that it caused, and the order.

    Raises:
        ValueError: the facts cannot happen to this order, or there are none of a new one.
    """
    events = []
    for fact in facts:
        before, order = order, evolve(order, fact)
        events.append(Recorded(fact, _after(before, order)))
    if order is None:
        raise ValueError("an order begins with its first event")
    return events, order


def _after(before: Order | None, now: Order) -> After:
    """Return what readers get to know of the order after an event."""
    units, balance = now.units, now.balance
    return After(
        customer_id=now.customer_id,
        status=status_of(now, units, balance),
        currency=now.currency,
        totals=now.totals,
        balance=balance,
        units=units,
        **{name: _changed(getattr(before, name), getattr(now, name)) for name in PARTS}
        if before
        else {},
    )


def _changed(before: tuple[PartT, ...], now: tuple[PartT, ...]) -> tuple[PartT, ...] | None:
    """Return the parts that are new or not as they were; None if there are none."""
    if before is now:
        return None
    known = {part.part_id: part for part in before}
    return tuple(part for part in now if _differs(known.get(part.part_id), part)) or None


def _differs(before: PartT | None, now: PartT) -> bool:
    # Most parts are the same objects, and comparing all their fields takes a while.
    return before is not now and before != now
