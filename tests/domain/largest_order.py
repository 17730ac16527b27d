"""The largest order that the limits allow: as many parts as possible, each with the longest text.

Commands build it, so what bounds it are the limits that commands keep. Texts consist of characters
that take the most bytes.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from ordering.delivery.published import PublishedEvent
from ordering.domain import limits
from ordering.domain.errors import Refusal
from ordering.domain.evolution import record
from ordering.domain.values import CURRENCY_DIGITS
from tests.domain.life import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ordering.domain.order import Order
    from ordering.domain.recorded import Recorded

ORDER_ID: Final = "0190ffff-ffff-7fff-bfff-ffffffffffff"
NOW: Final = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)
ACTOR: Final = "\x01" * 255
"""The longest subject of a token, of characters that JSON writes with six bytes each."""
CURRENCY: Final = next(code for code, digits in CURRENCY_DIGITS.items() if digits == 4)
WIDE: Final = "\N{GRINNING FACE}"
"""It takes four bytes."""
AT_A_LIMIT: Final = {
    "too-many-lines",
    "too-many-notes",
    "too-many-payments",
    "too-many-refunds",
    "too-many-returns",
    "too-many-shipments",
    "line-text-too-long",
    "return-text-too-long",
}
"""The codes of what is refused because the order may not grow more."""
MOST_OF_A_PAYMENT: Final = Decimal("999999999999.9999")


class LargestOrder:
    """Sends commands to one order in memory, and keeps every event of it."""

    def __init__(self) -> None:
        self.order: Order | None = None
        self.events: list[Recorded] = []

    def send(self, stem: str, **command: Any) -> str | None:  # noqa: ANN401 - any field of the command
        """Carry out a command; return the code of its refusal, if it is refused."""
        module = COMMANDS[stem]
        facts = module.decide(self.order, module.handler.command.model_validate(command), NOW)
        if isinstance(facts, Refusal):
            return facts.code
        events, self.order = record(self.order, facts)
        self.events += events
        return None

    def accept(self, stem: str, **command: Any) -> None:  # noqa: ANN401 - as send
        assert self.send(stem, **command) is None, stem

    @property
    def placed(self) -> Order:
        assert self.order is not None
        return self.order

    def published(self) -> Iterator[PublishedEvent]:
        """Return the events as projectors get them."""
        for version, event in enumerate(self.events, start=1):
            yield PublishedEvent(
                order_id=ORDER_ID,
                version=version,
                time=NOW,
                actor=ACTOR,
                correlation_id="",
                traceparent="",
                fact=event.fact,
                after=event.after,
            )


def money(amount: Decimal) -> dict[str, str]:
    return {"amount": format(amount, "f"), "currency": CURRENCY}


def part_id(number: int) -> str:
    return str(number).rjust(64, "p")


def up_to_its_largest_event() -> LargestOrder:
    """Build the order up to the receipt of its largest return, which is the largest event."""
    largest = LargestOrder()
    _place(largest)
    _pay(largest)
    _ship(largest)
    lines = [line.line_id for line in largest.placed.lines]
    length = (limits.MAX_RETURN_TEXT_BYTES - limits.MAX_RETURNED_ITEMS) // len(lines) // 4
    _request_return(largest, 0, lines, WIDE * length)
    return largest


def grown_up(largest: LargestOrder) -> None:
    """Let everything else grow to its limit."""
    order = largest.placed
    lines = [line.line_id for line in order.lines]
    items = limits.MAX_RETURNED_ITEMS - len(lines)
    returns = limits.MAX_RETURNS - 1
    for number in range(1, returns + 1):
        _request_return(largest, number, lines[: items // returns], "r")
        largest.accept("receive_return", return_id=part_id(number))
    refunded = [payment for payment in largest.placed.payments if payment.captured]
    for number in range(limits.MAX_REFUNDS):
        payment = refunded[number % len(refunded)]
        _refund(largest, number, payment.payment_id)
    for _ in range(limits.MAX_NOTES):
        largest.accept(
            "add_note", text=WIDE * (limits.MAX_NOTE_TEXT_BYTES // limits.MAX_NOTES // 4)
        )
    largest.accept("hold_order", reason=WIDE * 500)


def _place(largest: LargestOrder) -> None:
    address = dict.fromkeys(("name", "street"), WIDE * 200)
    address |= dict.fromkeys(("city", "region", "postal_code"), WIDE * 100)
    line = _line()
    largest.accept(
        "place_order",
        customer_id=WIDE * 64,
        currency=CURRENCY,
        lines=[line],
        shipping_address=address | {"country": "DE"},
        billing_address=address | {"country": "DE"},
        shipping_fee=money(MOST_OF_A_PAYMENT),
        reference=WIDE * 200,
    )
    # As if nearly as many lines as have an id had been removed: the others have the longest ids.
    last_id = limits.MAX_LINE_ID - limits.MAX_LINES + 1
    largest.order = largest.placed.model_copy(update={"last_line_id": last_id})
    for _ in range(limits.MAX_LINES - 1):
        largest.accept("add_order_line", **line)
    largest.accept("apply_coupon", code=WIDE * 64, percent_off="0.0001")
    largest.accept("confirm_order")


def _line() -> dict[str, Any]:
    length = limits.MAX_LINE_TEXT_BYTES // limits.MAX_LINES // 4
    return {
        "sku": WIDE * 64,
        "name": WIDE * (length - 64),
        "quantity": 1_000_000,
        # So that the order can be paid with as many payments as it may have.
        "unit_price": money(Decimal("89999.9999")),
        "discount": "0.000001",
        "tax_rate": "0.999999",
    }


def _pay(largest: LargestOrder) -> None:
    numbers = iter(range(limits.MAX_PAYMENTS))
    method = WIDE * 64
    for number in islice(numbers, 5):
        payment = {"payment_id": part_id(number)}
        largest.accept("authorize_payment", method=method, amount=money(Decimal(1)), **payment)
        largest.accept("decline_payment", reason="r", **payment)
    for number in numbers:
        left = limits.MAX_PAYMENTS - number
        amount = min(MOST_OF_A_PAYMENT, largest.placed.to_authorize)
        if left > 1:
            amount = min(amount, largest.placed.to_authorize - left + 1)
        payment = {"payment_id": part_id(number)}
        largest.accept("authorize_payment", method=method, amount=money(amount), **payment)
        largest.accept("capture_payment", **payment)
    largest.accept("start_fulfilment", warehouse=WIDE * 64)


def _ship(largest: LargestOrder) -> None:
    lines = [line.line_id for line in largest.placed.lines]
    per_shipment = limits.MAX_SHIPPED_ITEMS // limits.MAX_SHIPMENTS
    for number in range(limits.MAX_SHIPMENTS):
        first = number * per_shipment % len(lines)
        chosen = (lines + lines)[first : first + per_shipment]
        largest.accept(
            "ship_items",
            shipment_id=part_id(number),
            carrier=WIDE * 100,
            tracking_number=WIDE * 100,
            items=[{"line_id": line_id, "quantity": 150_000} for line_id in chosen],
        )
        largest.accept("deliver_shipment", shipment_id=part_id(number), signed_by=WIDE * 200)


def _request_return(largest: LargestOrder, number: int, line_ids: list[int], reason: str) -> None:
    items = [{"line_id": line_id, "quantity": 10_000, "reason": reason} for line_id in line_ids]
    largest.accept("request_return", return_id=part_id(number), items=items)
    largest.accept("approve_return", return_id=part_id(number))


def _refund(largest: LargestOrder, number: int, payment_id: str) -> None:
    largest.accept(
        "refund_payment",
        refund_id=part_id(number),
        payment_id=payment_id,
        amount=money(Decimal("0.0001")),
        reason=WIDE * 500,
    )
