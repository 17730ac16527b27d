"""The Order: its state. Pure.

Quantities and amounts are the truth; the status is derived from them (``status.py``), and only
events change them (``evolution.py``).
"""

from __future__ import annotations

from decimal import Decimal

from .parts import Balance, Coupon, Line, Payment, Refund, Return, Shipment, Totals, Units
from .status import status_of
from .values import Address, Currency, CustomerId, Instant, Status, Sum, Text200, Value


class Order(Value):
    """One order as the command side knows it. Changed by events only."""

    customer_id: CustomerId
    currency: Currency
    lines: tuple[Line, ...]
    last_line_id: int
    """The highest there ever was: an id is never given twice."""
    totals: Totals
    shipping_fee: Sum
    shipping_address: Address
    billing_address: Address | None = None
    reference: Text200 | None = None
    placed_at: Instant
    coupon: Coupon | None = None
    confirmed: bool = False
    held: bool = False
    in_fulfilment: bool = False
    completed: bool = False
    payments: tuple[Payment, ...] = ()
    shipments: tuple[Shipment, ...] = ()
    returns: tuple[Return, ...] = ()
    refunds: tuple[Refund, ...] = ()
    note_count: int = 0
    note_bytes: int = 0
    """Of the texts of all notes, as ``limits.text_bytes`` counts; the texts are in the log only."""

    @property
    def status(self) -> Status:
        """Where the order stands, in one word."""
        return status_of(self, self.units, self.balance)

    @property
    def is_cancelled(self) -> bool:
        """Return whether every unit is cancelled."""
        return all(line.cancelled == line.ordered for line in self.lines)

    @property
    def is_shipped_from(self) -> bool:
        """Return whether something of it is on its way or delivered."""
        return any(line.shipped for line in self.lines)

    @property
    def units(self) -> Units:
        """Units of all lines together."""
        kept = to_ship = shipped = delivered = returned = 0
        for line in self.lines:
            kept += line.kept
            to_ship += line.to_ship
            shipped += line.shipped
            delivered += line.delivered
            returned += line.returned
        return Units(
            lines=len(self.lines),
            kept=kept,
            to_ship=to_ship,
            shipped=shipped,
            delivered=delivered,
            returned=returned,
        )

    @property
    def balance(self) -> Balance:
        """What is owed, authorized, captured, due back and refunded."""
        zero = self.totals.total - self.totals.total  # with the currency's digits
        authorized = captured = refunded = zero
        for payment in self.payments:
            if not payment.declined:
                authorized += payment.authorized
            captured += payment.captured
            refunded += payment.refunded
        owed = self.totals.total - captured + refunded
        return Balance(
            owed=max(zero, owed),
            authorized=authorized,
            captured=captured,
            due_back=max(zero, -owed),
            refunded=refunded,
        )

    @property
    def to_authorize(self) -> Decimal:
        """What is owed and no other payment is promised for.

        What a payment has left after a capture is no promise: many providers release it then, and
        it may not be declined any more.
        """
        promised = sum(
            (p.authorized for p in self.payments if not (p.declined or p.captured)), Decimal(0)
        )
        return max(Decimal(0), self.balance.owed - promised)

    def line(self, line_id: int) -> Line | None:
        """Find a line by its id."""
        return next((line for line in self.lines if line.line_id == line_id), None)

    def payment(self, payment_id: str) -> Payment | None:
        """Find a payment by its id."""
        return next((part for part in self.payments if part.payment_id == payment_id), None)

    def shipment(self, shipment_id: str) -> Shipment | None:
        """Find a shipment by its id."""
        return next((part for part in self.shipments if part.shipment_id == shipment_id), None)

    def return_(self, return_id: str) -> Return | None:
        """Find a return by its id."""
        return next((part for part in self.returns if part.return_id == return_id), None)

    def refund(self, refund_id: str) -> Refund | None:
        """Find a refund by its id."""
        return next((part for part in self.refunds if part.refund_id == refund_id), None)
