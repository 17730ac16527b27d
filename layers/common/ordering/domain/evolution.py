"""How each event changes the Order, and what readers are told of that. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar, assert_never

from .events import (
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
    OrderEvent,
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
from .limits import text_bytes
from .order import Order
from .parts import Coupon, Item, Line, Payment, Refund, Return, Shipment
from .pricing import price, price_line, total_of
from .recorded import After, Recorded
from .status import status_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

PartT = TypeVar("PartT", Line, Payment, Refund, Return, Shipment)


def evolve(order: Order | None, event: OrderEvent) -> Order:
    """Give the order after ``event``; ``None`` is the order before its first event.

    Raises:
        ValueError: the event cannot be this order's next one (its log is damaged).
    """
    if isinstance(event, OrderPlaced):
        if order is not None:
            raise ValueError("an order is placed only once")
        return _placed(event)
    if order is None:
        raise ValueError(f"the first event of an order is OrderPlaced, not {type(event).__name__}")
    return order.model_copy(update=_changes(order, event))


def _placed(event: OrderPlaced) -> Order:
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
        case OrderLineAdded() | LineQuantityChanged() | OrderLineRemoved():
            return _ordered(order, event)
        case LineCancelled(line_id=line_id, quantity=quantity):
            return _priced(order, _with_lines(order, {line_id: quantity}, _cancel))
        case OrderCancelled():
            to_ship = {line.line_id: line.to_ship for line in order.lines}
            return _priced(order, _with_lines(order, to_ship, _cancel))
        case CouponApplied(coupon=coupon):
            return _priced(order, order.lines, coupon)
        case CouponRemoved():
            return _priced(order, order.lines, None)
        case ShippingAddressChanged(shipping_address=address):
            return {"shipping_address": address}
        case OrderConfirmed():
            return {"confirmed": True}
        case OrderHeld():
            return {"held": True}
        case OrderReleased():
            return {"held": False}
        case PaymentAuthorized() | PaymentCaptured() | PaymentDeclined() | PaymentRefunded():
            return _paid(order, event)
        case FulfilmentStarted():
            return {"in_fulfilment": True}
        case ItemsShipped() | ShipmentDelivered() | ShipmentLost():
            return _shipped(order, event)
        case OrderCompleted():
            return {"completed": True}
        case ReturnRequested() | ReturnApproved() | ReturnRejected() | ReturnReceived():
            return _returned(order, event)
        case NoteAdded(text=text):
            return {
                "note_count": order.note_count + 1,
                "note_bytes": order.note_bytes + text_bytes(text),
            }
        case OrderPlaced():
            return {}
        case _:
            assert_never(event)


def _ordered(
    order: Order, event: OrderLineAdded | LineQuantityChanged | OrderLineRemoved
) -> Mapping[str, Any]:
    match event:
        case OrderLineAdded():
            line = price_line(**dict(event), currency=order.currency)
            return {
                **_priced(order, (*order.lines, line)),
                "last_line_id": event.line_id,
            }
        case LineQuantityChanged(line_id=line_id, quantity=quantity):
            return _priced(
                order,
                _with_lines(order, {line_id: quantity}, lambda _, units: {"ordered": units}),
            )
        case OrderLineRemoved(line_id=line_id):
            return _priced(order, tuple(line for line in order.lines if line.line_id != line_id))


def _paid(
    order: Order, event: PaymentAuthorized | PaymentCaptured | PaymentDeclined | PaymentRefunded
) -> Mapping[str, Any]:
    if isinstance(event, PaymentAuthorized):
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
        case PaymentCaptured(amount=amount):
            change: dict[str, Any] = {"captured": found.captured + amount}
        case PaymentDeclined():
            change = {"declined": True}
        case PaymentRefunded(amount=amount):
            change = {"refunded": found.refunded + amount}
    payments = {"payments": _replaced(order.payments, found, change)}
    if isinstance(event, PaymentRefunded):
        return {**payments, "refunds": (*order.refunds, Refund(**dict(event)))}
    return payments


def _shipped(
    order: Order, event: ItemsShipped | ShipmentDelivered | ShipmentLost
) -> Mapping[str, Any]:
    if isinstance(event, ItemsShipped):
        shipment = Shipment(**dict(event), state="shipped", delivered_at=None, signed_by=None)
        return {
            "lines": _with_lines(order, _units(event.items), _ship),
            "shipments": (*order.shipments, shipment),
        }
    found = _found(order.shipment(event.shipment_id), event)
    match event:
        case ShipmentDelivered():
            change: dict[str, Any] = {
                "state": "delivered",
                "delivered_at": event.delivered_at,
                "signed_by": event.signed_by,
            }
            arrived = _deliver
        case ShipmentLost():
            change = {"state": "lost"}
            arrived = _lose
    return {
        "lines": _with_lines(order, _units(found.items), arrived),
        "shipments": _replaced(order.shipments, found, change),
    }


def _returned(
    order: Order, event: ReturnRequested | ReturnApproved | ReturnRejected | ReturnReceived
) -> Mapping[str, Any]:
    if isinstance(event, ReturnRequested):
        asked = Return(**dict(event), state="requested", received=None)
        return {"returns": (*order.returns, asked)}
    found = _found(order.return_(event.return_id), event)
    match event:
        case ReturnApproved():
            return {"returns": _replaced(order.returns, found, {"state": "approved"})}
        case ReturnRejected():
            return {"returns": _replaced(order.returns, found, {"state": "rejected"})}
        case ReturnReceived(items=items):
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
    # Lost units go first: they are what is shipped again.
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
    """Give the lines, those in ``units`` (by line id) changed by so many units each."""
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
    """Give lines, totals and coupon with their amounts computed anew."""
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
    """Let the facts happen, one after the other; give each with what follows from it.

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
    """Give what readers are told to follow from the event between ``before`` and ``now``."""
    units, balance = now.units, now.balance
    return After(
        customer_id=now.customer_id,
        status=status_of(now, units, balance),
        currency=now.currency,
        totals=now.totals,
        balance=balance,
        units=units,
        lines=_changed(before.lines, now.lines) if before else None,
        payments=_changed(before.payments, now.payments) if before else None,
        shipments=_changed(before.shipments, now.shipments) if before else None,
        returns=_changed(before.returns, now.returns) if before else None,
        refunds=_changed(before.refunds, now.refunds) if before else None,
    )


def _changed(before: tuple[PartT, ...], now: tuple[PartT, ...]) -> tuple[PartT, ...] | None:
    if before is now:
        return None
    same = set(map(id, before))
    return tuple(part for part in now if id(part) not in same) or None
