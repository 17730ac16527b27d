"""POST /orders/{order_id}/lines: one more line, until the order is confirmed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordering.command_side import CommandFunction
from ordering.domain.errors import ALREADY_CONFIRMED, ORDER_CANCELLED, Refusal, wrong_currency
from ordering.domain.events import OrderLineAdded
from ordering.domain.limits import MAX_LINE_ID, MAX_LINE_TEXT_BYTES, MAX_LINES, are_too_long
from ordering.domain.parts import OrderedLine
from ordering.domain.values import round_to_currency

if TYPE_CHECKING:
    from datetime import datetime

    from ordering.domain.order import Order


class AddOrderLine(OrderedLine):
    """Order one more line; its price is in the order's currency."""


TOO_MANY_LINES = Refusal(
    "too-many-lines",
    f"An order has at most {MAX_LINES} lines, and {MAX_LINE_ID:,} in its life with those removed.",
)
LINE_TEXT_TOO_LONG = Refusal(
    "line-text-too-long",
    f"The SKUs and names of an order's lines have at most {MAX_LINE_TEXT_BYTES:,} bytes in all;"
    " shorten them.",
)


def decide(order: Order, command: AddOrderLine, _at: datetime) -> list[OrderLineAdded] | Refusal:
    """Add it under the next line id, which no line ever had."""
    if order.is_cancelled:
        return ORDER_CANCELLED
    if order.confirmed:
        return ALREADY_CONFIRMED
    if command.unit_price.currency != order.currency:
        return wrong_currency("/unit_price", order.currency)
    if len(order.lines) >= MAX_LINES or order.last_line_id >= MAX_LINE_ID:
        return TOO_MANY_LINES
    texts = [text for line in order.lines for text in (line.sku, line.name)]
    texts += [command.sku, command.name]
    if are_too_long(MAX_LINE_TEXT_BYTES, texts):
        return LINE_TEXT_TOO_LONG
    return [
        OrderLineAdded(
            line_id=order.last_line_id + 1,
            sku=command.sku,
            name=command.name,
            quantity=command.quantity,
            unit_price=round_to_currency(command.unit_price.amount, order.currency),
            discount=command.discount,
            tax_rate=command.tax_rate,
        )
    ]


handler = CommandFunction(AddOrderLine, decide)
