"""What is true of every order, checked with an arithmetic of its own."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from ordering.domain.values import CURRENCY_DIGITS

if TYPE_CHECKING:
    from ordering.domain.order import Order


def check(order: Order) -> None:
    """Check quantities, totals, balance and status."""
    _check_quantities(order)
    _check_totals(order)
    _check_balance(order)
    _check_status(order)


def _check_quantities(order: Order) -> None:
    sent = dict.fromkeys((line.line_id for line in order.lines), 0)
    arrived = dict(sent)
    for shipment in order.shipments:
        for item in shipment.items:
            if shipment.state != "lost":
                sent[item.line_id] += item.quantity
            if shipment.state == "delivered":
                arrived[item.line_id] += item.quantity
    back = dict.fromkeys(sent, 0)
    for part in order.returns:
        for received in part.received or ():
            back[received.line_id] += received.quantity
    for line in order.lines:
        assert line.shipped == sent[line.line_id]
        assert line.delivered == arrived[line.line_id]
        assert line.returned == back[line.line_id]
        assert 0 <= line.returned <= line.delivered <= line.shipped
        assert 0 <= line.cancelled <= line.cancelled + line.shipped <= line.ordered
        assert 0 <= line.lost <= line.ordered - line.cancelled - line.shipped
    assert order.lines
    assert len({line.line_id for line in order.lines}) == len(order.lines)
    assert max(line.line_id for line in order.lines) <= order.last_line_id


def _check_totals(order: Order) -> None:
    scale = 10 ** CURRENCY_DIGITS[order.currency]

    def units(amount: Decimal) -> int:
        exact = Fraction(amount) * scale
        assert exact.denominator == 1, f"{amount} has more digits than {order.currency}"
        return int(exact)

    def half_up(exact: Fraction) -> int:
        return int(exact + Fraction(1, 2))

    of_lines = shares = tax = 0
    for line in order.lines:
        kept = line.ordered - line.cancelled - line.returned
        price = Fraction(line.unit_price) * scale
        total = half_up(kept * price * (1 - Fraction(line.discount)))
        share = units(line.coupon_share)
        assert units(line.total) == total
        assert 0 <= share <= total
        assert units(line.tax) == half_up((total - share) * Fraction(line.tax_rate))
        of_lines, shares, tax = of_lines + total, shares + share, tax + units(line.tax)
    coupon = order.coupon
    expected = 0
    if coupon is not None and coupon.percent_off is not None:
        expected = half_up(of_lines * Fraction(coupon.percent_off) / 100)
    elif coupon is not None and coupon.amount_off is not None:
        expected = min(units(coupon.amount_off.amount), of_lines)
    assert shares == expected
    for line in order.lines:  # each share is the exact one, rounded up or down
        exact = Fraction(expected * units(line.total), of_lines or 1)
        assert abs(units(line.coupon_share) - exact) < 1
    cancelled = all(line.cancelled == line.ordered for line in order.lines)
    totals = order.totals
    assert units(totals.lines) == of_lines
    assert units(totals.discount) == shares
    assert units(totals.tax) == tax
    assert units(totals.shipping) == (0 if cancelled else units(order.shipping_fee))
    assert totals.total == totals.lines - totals.discount + totals.tax + totals.shipping >= 0


def _check_balance(order: Order) -> None:
    captured = refunded = Decimal(0)
    for payment in order.payments:
        assert 0 <= payment.refunded <= payment.captured <= payment.authorized
        assert not (payment.declined and payment.captured)
        given_back = sum(r.amount for r in order.refunds if r.payment_id == payment.payment_id)
        assert payment.refunded == given_back
        captured += payment.captured
        refunded += payment.refunded
    balance = order.balance
    assert (balance.captured, balance.refunded) == (captured, refunded)
    assert refunded == sum(refund.amount for refund in order.refunds)
    assert balance.owed - balance.due_back == order.totals.total - captured + refunded
    assert min(balance.owed, balance.due_back) == 0
    for kind, name in (("payments", "payment_id"), ("refunds", "refund_id")):
        ids = [getattr(part, name) for part in getattr(order, kind)]
        assert len(ids) == len(set(ids))


def _check_status(order: Order) -> None:
    """Restate the words as a reader of the contract understands them; the first that fits is it."""
    wanted = sum(line.ordered - line.cancelled for line in order.lines)
    away, arrived = _in_parcels(order, "shipped"), _in_parcels(order, "delivered")
    returns = {part.state for part in order.returns}
    back = sum(item.quantity for part in order.returns for item in part.received or ())
    refunded = sum(refund.amount for refund in order.refunds)
    paid = sum(payment.captured for payment in order.payments) - refunded
    words = {
        # What somebody has to act upon, or that nobody has to any more …
        "refund_due": paid > order.totals.total,
        "cancelled": wanted == 0,
        "held": order.held,
        "return_requested": "requested" in returns,
        "return_approved": "approved" in returns,
        # … then how far the units have come, the farthest first …
        "refunded": back == wanted and refunded > 0,
        "returned": back == wanted,
        "completed": order.completed,
        "part_returned": back > 0,
        "delivered": arrived == wanted,
        "part_delivered": arrived > 0,
        "shipped": away == wanted,
        "part_shipped": away > 0,
        "in_fulfilment": order.in_fulfilment,
        # … then the money.
        "paid": order.confirmed and paid == order.totals.total,
        "part_paid": order.confirmed and paid > 0,
        "confirmed": order.confirmed,
        "placed": True,
    }
    assert order.status == next(word for word, fits in words.items() if fits)


def _in_parcels(order: Order, state: str) -> int:
    parcels = (shipment for shipment in order.shipments if shipment.state == state)
    return sum(item.quantity for parcel in parcels for item in parcel.items)
