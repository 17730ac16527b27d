"""GET /customers/{customer_id}/summary: what a customer ordered, per currency."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from typing_extensions import TypedDict

from ordering.domain.errors import CUSTOMER_NOT_FOUND, NotFound
from ordering.domain.values import CustomerId, Value
from ordering.read_side.answers import Answer
from ordering.read_side.query import QueryFunction
from ordering.read_side.written import CURRENCY_SUMMARY, instant_sql

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordering.read_side.answers import CurrencySummary, InstantText
    from ordering.runtime.http import Principal
    from ordering.runtime.postgres import Row

_SQL: Final = """
select json_build_object({summary})::text, {first}, {last}
from customer_summary_sums where customer_id = %(customer_id)s order by currency
"""
SQL: Final = _SQL.format(
    summary=CURRENCY_SUMMARY, first=instant_sql("first_order_at"), last=instant_sql("last_order_at")
)


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
    """Put what is known per currency in a list as it is."""
    customer = {
        "customer_id": question.customer_id,
        "first_order_at": min((first for _, first, _ in rows), default=None),
        "last_order_at": max((last for *_, last in rows), default=None),
    }
    currencies = ",".join(summary for summary, *_ in rows)
    return Answer(f'{json.dumps(customer)[:-1]}, "currencies": [{currencies}]}}')


handler = QueryFunction(
    GetCustomerSummary,
    read_models=["customer_summary"],
    sql=SQL,
    parameters=parameters,
    answer=answer,
)
