"""POST /orders: a customer, or an operator for them, places an order."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from ordering.command_side import CommandFunction
from ordering.errors import Forbidden
from ordering.events import OrderPlaced
from ordering.parts import MAX_LINES, OrderedLine
from ordering.pricing import price_line
from ordering.values import (
    Address,
    Currency,
    CustomerId,
    Instant,
    Money,
    Text200,
    Value,
    fields_error,
    round_to_currency,
)

if TYPE_CHECKING:
    from datetime import datetime

    from ordering.http import Principal
    from ordering.order import Order


def _not_too_many(lines: Any) -> Any:  # noqa: ANN401 - a validator sees whatever the client sent
    # Before each line is looked at: a body full of wrong ones would be answered with megabytes.
    if isinstance(lines, list) and len(lines) > MAX_LINES:
        raise ValueError(f"an order has at most {MAX_LINES} lines, not {len(lines)}")
    return lines


class PlaceOrder(Value):
    """Place an order with 1 to 500 lines, all in one currency."""

    customer_id: CustomerId
    currency: Currency
    lines: Annotated[
        tuple[OrderedLine, ...],
        Field(min_length=1, max_length=MAX_LINES),
        BeforeValidator(_not_too_many),
    ]
    shipping_address: Address
    billing_address: Address | None = None
    shipping_fee: Money | None = None
    reference: Text200 | None = None
    placed_at: Instant | None = None

    @model_validator(mode="after")
    def _has_one_currency(self) -> PlaceOrder:
        prices = {
            f"/lines/{number}/unit_price/currency": line.unit_price
            for number, line in enumerate(self.lines)
        }
        if self.shipping_fee is not None:
            prices["/shipping_fee/currency"] = self.shipping_fee
        wrong = [field for field, price in prices.items() if price.currency != self.currency]
        if wrong:
            raise fields_error(wrong, f"must be the order's currency, {self.currency}")
        return self


NOT_YOURS = Forbidden("not-your-customer-id", "customer_id must be your own.")
NOT_FOR_CUSTOMERS = Forbidden("placed-at-not-allowed", "Only operators may send placed_at.")


def permit(command: PlaceOrder, principal: Principal) -> Forbidden | None:
    """Let customers order for themselves, now, and operators for anybody, at any time (imports)."""
    if not principal.may_see(command.customer_id):
        return NOT_YOURS
    if command.placed_at is not None and not principal.is_operator:
        return NOT_FOR_CUSTOMERS
    return None


def decide(_: Order | None, command: PlaceOrder, at: datetime) -> list[OrderPlaced]:
    """Place it, always: lines get their numbers and amounts."""
    lines = tuple(
        price_line(
            line_id=number,
            sku=line.sku,
            name=line.name,
            quantity=line.quantity,
            unit_price=line.unit_price.amount,
            discount=line.discount,
            tax_rate=line.tax_rate,
            currency=command.currency,
        )
        for number, line in enumerate(command.lines, start=1)
    )
    shipping_fee = command.shipping_fee.amount if command.shipping_fee else Decimal(0)
    return [
        OrderPlaced(
            customer_id=command.customer_id,
            currency=command.currency,
            lines=lines,
            shipping_fee=round_to_currency(shipping_fee, command.currency),
            shipping_address=command.shipping_address,
            billing_address=command.billing_address,
            reference=command.reference,
            placed_at=command.placed_at or at,
        )
    ]


handler = CommandFunction(PlaceOrder, decide, opens_an_order=True, permit=permit)
