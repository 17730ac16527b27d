"""What is true of every order, checked with an arithmetic of its own."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from ordering.values import CURRENCY_DIGITS

if TYPE_CHECKING:
    from ordering.order import Order


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


def _check_status(order: Order) -> None:  # noqa: C901 - one case per word
    """Restate the words as a reader of the contract understands them."""
    lines, balance = order.lines, order.balance
    cancelled = all(line.cancelled == line.ordered for line in lines)
    match order.status:
        case "cancelled":
            assert cancelled
        case "placed":
            assert not order.confirmed
        case "part_paid":
            assert balance.captured > balance.refunded
            assert balance.owed > 0
        case "paid":
            assert balance.owed == 0
        case "shipped":
            assert all(line.cancelled + line.shipped == line.ordered for line in lines)
            assert not any(line.delivered for line in lines)
        case "delivered" | "completed":
            assert all(line.cancelled + line.delivered == line.ordered for line in lines)
        case "returned" | "refunded":
            assert all(line.cancelled + line.returned == line.ordered for line in lines)
        case "refund_due":
            assert balance.due_back > 0
    if balance.due_back > 0:
        assert order.status == "refund_due"
    elif cancelled:
        assert order.status == "cancelled"
    elif order.held:
        assert order.status == "held"
