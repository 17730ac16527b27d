"""GET /sales/daily: what was sold, per day of the business and currency."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Final, Self

from pydantic import Field, model_validator
from typing_extensions import TypedDict

from ordering.domain.sent import SentCurrency, SentDate
from ordering.domain.validation import not_reversed
from ordering.domain.values import Value
from ordering.read_side.answers import Answer, SignedMoney
from ordering.read_side.query import QueryFunction

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordering.domain.values import Money
    from ordering.read_side.answers import DayText, Number
    from ordering.runtime.http import Principal
    from ordering.runtime.postgres import Row

MOST_ROWS: Final = 5000
"""So many fit an answer of Lambda's with room to spare: one has at most 900 bytes."""
SQL: Final = """
select day::text, item from sales_sums
where (%(from)s is null or day >= %(from)s::date) and (%(to)s is null or day < %(to)s::date)
  and (%(currency)s is null or currency = %(currency)s)
order by day, currency limit %(limit)s
"""


class DaySales(TypedDict):
    """A day's entries in the ledger of one currency; amounts of several are never added up.

    ``orders``, ``items``, ``gross``, ``discounts``, ``tax`` and ``shipping`` are of the orders that
    were confirmed on that day, as they were then; ``cancelled``, ``returned`` and ``refunded`` are
    what happened on that day, to whatever order. ``net`` = gross - discounts + tax + shipping -
    cancelled - returned.
    """

    day: DayText
    currency: str
    orders: Number
    items: Number
    gross: Money
    discounts: Money
    tax: Money
    shipping: Money
    cancelled: Money
    returned: Money
    refunded: Money
    net: SignedMoney


class SalesByDay(TypedDict):
    """The days on which something was sold or happened, in order.

    ``next_from`` is null, or the ``from`` with which to ask for the rest of a very long range.
    """

    items: list[DaySales]
    next_from: DayText | None


class GetSalesByDay(Value):
    """Which days, from ``from`` on and before ``to``, and of which currency."""

    from_: Annotated[SentDate | None, Field(alias="from")] = None
    to: SentDate | None = None
    currency: SentCurrency | None = None

    @model_validator(mode="after")
    def _is_not_reversed(self) -> Self:
        not_reversed(self.from_, self.to)
        return self


def parameters(question: GetSalesByDay, _: Principal) -> Mapping[str, object]:
    """Ask for the days of the range."""
    return {
        "from": question.from_,
        "to": question.to,
        "currency": question.currency,
        "limit": MOST_ROWS + 1,
    }


def answer(_: GetSalesByDay, rows: Sequence[Row]) -> Answer[SalesByDay]:
    """Put the days in a list as they are; a range that is too long ends with a whole day."""
    next_from = rows[MOST_ROWS][0] if len(rows) > MOST_ROWS else None
    items = ",".join(item for day, item in rows if day != next_from)
    return Answer(f'{{"items": [{items}], "next_from": {json.dumps(next_from)}}}')


handler = QueryFunction(
    GetSalesByDay,
    read_models=["sales"],
    sql=SQL,
    parameters=parameters,
    answer=answer,
)
