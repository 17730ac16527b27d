"""GET /sales/products: what sells best."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Annotated, Final, Literal, Self

from pydantic import Field, model_validator
from typing_extensions import TypedDict

from ordering.domain.sent import SentCurrency, SentDate
from ordering.domain.validation import needs_currency, not_reversed
from ordering.domain.values import PageLimit, Value
from ordering.read_side.answers import Answer, SignedMoney
from ordering.read_side.documents import money
from ordering.read_side.query import QueryFunction

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordering.read_side.answers import Number
    from ordering.runtime.http import Principal
    from ordering.runtime.postgres import Row

_PART: Final = """
  select sku, currency, sold, cancelled, returned, revenue from products_sums
  where span = '{span}' and {days} and (%(currency)s is null or currency = %(currency)s)
"""
_PARTS: Final = {
    "month": "day >= %(first_month)s::date and day < %(end_month)s::date",
    "day": """(
      day >= %(from)s::date and day < %(first_day_end)s::date
      or day >= %(last_day_begin)s::date and day < %(to)s::date
    )""",
}
_SQL: Final = """
select sku, currency, sum(sold), sum(cancelled), sum(returned), sum(revenue)
from ({parts}) as parts
group by sku, currency
order by {order} desc, sku, currency
limit %(limit)s
"""
SQL: Final = {
    order_by: _SQL.format(
        parts="union all".join(_PART.format(span=s, days=d) for s, d in _PARTS.items()),
        order=order,
    )
    for order_by, order in {
        "quantity": "sum(sold - cancelled - returned)",
        "revenue": "sum(revenue)",
    }.items()
}
_FIRST: Final = "1900-01-01"
_END: Final = "2200-01-01"


class ProductSales(TypedDict):
    """A SKU's entries in the ledger of one currency; amounts of several are never added up.

    ``sold`` are the units of orders that were confirmed in the range; ``cancelled`` and
    ``returned`` are what happened in it, to whatever order. ``quantity`` = sold - cancelled -
    returned, and ``revenue`` is what that costs after the coupon, before tax and shipping.
    """

    sku: str
    currency: str
    sold: Number
    cancelled: Number
    returned: Number
    quantity: int
    revenue: SignedMoney


class TopProducts(TypedDict):
    """The best sellers, at most ``limit``; there are no pages, and ``next_cursor`` is null."""

    items: list[ProductSales]
    next_cursor: str | None


class GetTopProducts(Value):
    """Of which days, from ``from`` on and before ``to``, and of which currency.

    ``order_by=revenue`` needs a ``currency``: amounts of several cannot be compared.
    """

    from_: Annotated[SentDate | None, Field(alias="from")] = None
    to: SentDate | None = None
    currency: SentCurrency | None = None
    order_by: Literal["quantity", "revenue"] = "quantity"
    limit: PageLimit = 20

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        not_reversed(self.from_, self.to)
        if self.order_by == "revenue":
            needs_currency(self.currency)
        return self


def parameters(question: GetTopProducts, _: Principal) -> Mapping[str, object]:
    """Ask for the whole months of the range, and the days before and after them."""
    begin, end = question.from_ or _FIRST, question.to or _END
    first_month, end_month = _month_from(begin), end[:8] + "01"
    if first_month >= end_month:  # no whole month
        first_month = end_month = end
    return {
        "from": begin,
        "first_day_end": first_month,
        "first_month": first_month,
        "end_month": end_month,
        "last_day_begin": end_month,
        "to": end,
        "currency": question.currency,
        "limit": question.limit,
    }


def _month_from(day: str) -> str:
    """Return the first day of a month that is not before a day."""
    at = date.fromisoformat(day)
    if at.day == 1:
        return day
    return date(at.year + at.month // 12, at.month % 12 + 1, 1).isoformat()


def answer(_: GetTopProducts, rows: Sequence[Row]) -> Answer[TopProducts]:
    """Write the sums."""
    items = [
        {
            "sku": sku,
            "currency": currency,
            "sold": int(sold),
            "cancelled": int(cancelled),
            "returned": int(returned),
            "quantity": int(sold - cancelled - returned),
            "revenue": money(revenue, currency),
        }
        for sku, currency, sold, cancelled, returned, revenue in rows
    ]
    return Answer(json.dumps({"items": items, "next_cursor": None}))


handler = QueryFunction(
    GetTopProducts,
    read_models=["products"],
    sql=lambda question: SQL[question.order_by],
    parameters=parameters,
    answer=answer,
)
