"""GET /customers/{customer_id}/summary: what a customer ordered, per currency."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from typing_extensions import TypedDict

from ordering.domain.errors import CUSTOMER_NOT_FOUND, NotFound
from ordering.domain.values import CustomerId, Value
from ordering.read_side.answers import Answer
from ordering.read_side.documents import money
from ordering.read_side.freshness import rfc3339
from ordering.read_side.query import QueryFunction

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordering.domain.values import Money
    from ordering.read_side.answers import InstantText, Number
    from ordering.runtime.http import Principal
    from ordering.runtime.postgres import Row

SQL: Final = """
select currency, orders, cancelled, lifetime_value, returns, refunded, first_order_at, last_order_at
from customer_summary_sums where customer_id = %(customer_id)s order by currency
"""


class CurrencySummary(TypedDict):
    """What a customer ordered in one currency; amounts of several are never added up.

    ``orders`` are those that are not cancelled; ``lifetime_value`` is what they cost by now,
    without what was cancelled or returned, and ``average`` that of one of them.
    """

    currency: str
    orders: Number
    cancelled: Number
    lifetime_value: Money
    average: Money | None
    returns: Number
    refunded: Money
    first_order_at: InstantText
    last_order_at: InstantText


class CustomerSummary(TypedDict):
    """What a customer ordered; nothing of a customer without orders."""

    customer_id: str
    first_order_at: InstantText | None
    last_order_at: InstantText | None
    currencies: list[CurrencySummary]


class GetCustomerSummary(Value):
    """Whose."""

    customer_id: CustomerId


def parameters(
    question: GetCustomerSummary, principal: Principal
) -> Mapping[str, object] | NotFound:
    """Confine customers to their own."""
    if not principal.may_see(question.customer_id):
        return CUSTOMER_NOT_FOUND
    return {"customer_id": question.customer_id}


def answer(question: GetCustomerSummary, rows: Sequence[Row]) -> Answer[CustomerSummary]:
    """Write the sums, and what follows from them."""
    return Answer(
        json.dumps(
            {
                "customer_id": question.customer_id,
                "first_order_at": min((rfc3339(row[6]) for row in rows), default=None),
                "last_order_at": max((rfc3339(row[7]) for row in rows), default=None),
                "currencies": [
                    {
                        "currency": currency,
                        "orders": orders,
                        "cancelled": cancelled,
                        "lifetime_value": money(value, currency),
                        "average": money(value / orders, currency) if orders else None,
                        "returns": returns,
                        "refunded": money(refunded, currency),
                        "first_order_at": rfc3339(first),
                        "last_order_at": rfc3339(last),
                    }
                    for currency, orders, cancelled, value, returns, refunded, first, last in rows
                ],
            }
        )
    )


handler = QueryFunction(
    GetCustomerSummary,
    read_models=["customer_summary"],
    sql=SQL,
    parameters=parameters,
    answer=answer,
)
