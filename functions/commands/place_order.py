"""POST /orders: the checkout, or an operator, places a customer's order."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, ModelWrapValidatorHandler, model_validator

from ordering.command_side import CommandFunction
from ordering.domain.errors import Forbidden, Invalid, Refusal
from ordering.domain.events import OrderPlaced
from ordering.domain.limits import MAX_LINES, MINUTES_AHEAD
from ordering.domain.parts import NotTooMany, OrderedLine
from ordering.domain.pricing import price_line
from ordering.domain.sent import AddressToStore, SentInstant, SentMoney, SentText64, SentText200
from ordering.domain.validation import fields_error, members, validate_with
from ordering.domain.values import Currency, Value, is_currency, round_to_currency

if TYPE_CHECKING:
    from datetime import datetime

    from pydantic_core import PydanticCustomError

    from ordering.domain.order import Order
    from ordering.runtime.http import Principal


class PlaceOrder(Value):
    """Place an order with 1 to 500 lines, all in one currency."""

    customer_id: SentText64
    currency: Currency
    lines: Annotated[
        tuple[OrderedLine, ...],
        Field(min_length=1, max_length=MAX_LINES),
        NotTooMany,
    ]
    shipping_address: AddressToStore
    billing_address: AddressToStore | None = None
    shipping_fee: SentMoney | None = None
    reference: SentText200 | None = None
    placed_at: SentInstant | None = None

    @model_validator(mode="wrap")
    @classmethod
    def _has_one_currency(cls, sent: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:  # noqa: ANN401 - a validator sees whatever the client sent
        return validate_with(sent, validate, _other_currencies)


def _other_currencies(sent: Any) -> PydanticCustomError | None:  # noqa: ANN401 - as above
    order = members(sent)
    currency, lines = order.get("currency"), order.get("lines")
    if not is_currency(currency):
        return None

    def is_other(price: object) -> bool:
        return is_currency(found := members(price).get("currency")) and found != currency

    wrong = [
        f"/lines/{number}/unit_price/currency"
        for number, line in enumerate(lines[:MAX_LINES] if isinstance(lines, list | tuple) else ())
        if is_other(members(line).get("unit_price"))
    ]
    if is_other(order.get("shipping_fee")):
        wrong.append("/shipping_fee/currency")
    return fields_error(wrong, f"must be the order's currency, {currency}") if wrong else None


NOT_YOURS = Forbidden("not-your-customer-id", "customer_id must be your own.")
NOT_FOR_CUSTOMERS = Forbidden("placed-at-not-allowed", "Only operators may send placed_at.")


IN_THE_FUTURE = Invalid(
    "invalid-request",
    f"must not be in the future, by more than {MINUTES_AHEAD} minutes",
    ("/placed_at",),
)


def permit(command: PlaceOrder, principal: Principal) -> Forbidden | None:
    """Confine a customer's checkout to that customer; only operators import orders of the past."""
    if not principal.may_see(command.customer_id):
        return NOT_YOURS
    if command.placed_at is not None and not principal.is_operator:
        return NOT_FOR_CUSTOMERS
    return None


def decide(_: Order | None, command: PlaceOrder, at: datetime) -> list[OrderPlaced] | Refusal:
    """Place it, now or at a time in the past; lines get their numbers and amounts."""
    if command.placed_at is not None and command.placed_at > at + timedelta(minutes=MINUTES_AHEAD):
        return IN_THE_FUTURE
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
