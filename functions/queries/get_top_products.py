"""GET /sales/products: what sells best."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated, Final, Literal, NamedTuple, Self

from pydantic import Field, model_validator
from typing_extensions import TypedDict

from ordering.domain.sent import SentCurrency, SentDate
from ordering.domain.validation import needs_currency, not_reversed
from ordering.domain.values import PageLimit, Value
from ordering.read_side.answers import Answer, SignedMoney
from ordering.read_side.documents import money
from ordering.read_side.query import QueryFunction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ordering.read_side.answers import Number
    from ordering.runtime.http import Principal
    from ordering.runtime.postgres import Row

_ENTRIES: Final = """
  select sku, currency, sold, cancelled, returned, revenue from products_sums
  where span = '{span}' and {days} and {of_currency} and {condition}"""
_OF_ONE_SPAN: Final = """{entries}
  order by {order} desc, {then} limit %(limit)s"""
_SUMMED: Final = """
  select * from (
    select sku, currency, sum(sold) as sold, sum(cancelled) as cancelled,
      sum(returned) as returned, sum(revenue) as revenue
    from ({entries}) as entries group by sku, currency
  ) as summed
  order by {order} desc, {then} limit %(limit)s"""
# Generations of revision 2 have sums of years and of all time beside those of days and months.
_SQL: Final = """
select * from (({best}) union all ({best_of_revision_1})) as best
order by {order} desc, {then} limit %(limit)s
"""
_IS_NEWEST: Final = """exists (
    select from freshness_generations
    where read_model = 'products' and state = 'live' and revision >= 2
  )"""
_ORDERS: Final = {"quantity": "(sold - cancelled - returned)", "revenue": "revenue"}


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


class Piece(NamedTuple):
    """Spans of one kind that follow each other: from ``begin`` on and before ``end``."""

    span: str
    begin: date
    end: date


# Of the days that can be asked for, and what follows them (SentDate).
_FIRST: Final = date(1900, 1, 1)
_END: Final = date(2200, 1, 1)
_ALL: Final = Piece("all", date(1, 1, 1), date(1, 1, 2))
"""All time has one sum, as if it were of this day."""
_FLOORS: Final[Mapping[str, Callable[[date], date]]] = {
    "year": lambda day: day.replace(month=1, day=1),
    "month": lambda day: day.replace(day=1),
    "day": lambda day: day,
}
"""The first day of the span that a day is in; the longest spans come first."""


def pieces_of(question: GetTopProducts) -> list[Piece]:
    """Return what the range is made of, in the longest spans that there are."""
    if question.from_ is None and question.to is None:
        return [_ALL]
    return [*_pieces(*_range(question), [*_FLOORS])]


def pieces_of_revision_1(question: GetTopProducts) -> list[Piece]:
    """Return what the range is made of, in months and days."""
    return [*_pieces(*_range(question), ["month", "day"])]


def _range(question: GetTopProducts) -> tuple[date, date]:
    begin = date.fromisoformat(question.from_) if question.from_ else _FIRST
    return begin, date.fromisoformat(question.to) if question.to else _END


def _pieces(begin: date, end: date, spans: list[str]) -> Iterator[Piece]:
    if begin >= end:
        return
    span, *shorter = spans
    first, last = _first_from(begin, span), _FLOORS[span](end)
    if first >= last:
        yield from _pieces(begin, end, shorter)
        return
    yield from _pieces(begin, first, shorter)
    yield Piece(span, first, last)
    yield from _pieces(last, end, shorter)


def _first_from(day: date, span: str) -> date:
    """Return the first day of a span that is not before a day."""
    floor = _FLOORS[span](day)
    if floor == day:
        return day
    if span == "year":
        return floor.replace(year=floor.year + 1)
    return floor.replace(year=floor.year + floor.month // 12, month=floor.month % 12 + 1)


def _is_one_span(piece: Piece) -> bool:
    """Return whether an index has its products in their order."""
    if piece.span == "day":
        return False
    following = piece.begin + timedelta(days=1)
    return piece.span == "all" or _first_from(following, piece.span) == piece.end


def sql(question: GetTopProducts) -> str:
    """Take the best of one span from its index; of several, add up what is in them."""
    return _SQL.format(
        best=_best(question, pieces_of(question), "newest", _IS_NEWEST),
        best_of_revision_1=_best(
            question, pieces_of_revision_1(question), "earlier", f"not {_IS_NEWEST}"
        ),
        **_ordered(question),
    )


def _best(question: GetTopProducts, pieces: Sequence[Piece], name: str, condition: str) -> str:
    conditions = {
        "of_currency": "currency = %(currency)s" if question.currency else "true",
        "condition": condition,
    }
    if [_is_one_span(piece) for piece in pieces] == [True]:
        days = f"day = %({name}_begin_0)s"
        entries = _ENTRIES.format(span=pieces[0].span, days=days, **conditions)
        return _OF_ONE_SPAN.format(entries=entries, **_ordered(question))
    entries = "union all".join(
        _ENTRIES.format(
            span=piece.span,
            days=f"day >= %({name}_begin_{n})s and day < %({name}_end_{n})s",
            **conditions,
        )
        for n, piece in enumerate(pieces)
    )
    # Of a range without a day there is nothing.
    nothing = _ENTRIES.format(span="day", days="false", **conditions)
    return _SUMMED.format(entries=entries or nothing, **_ordered(question))


def _ordered(question: GetTopProducts) -> dict[str, str]:
    then = "sku" if question.currency else "sku, currency"
    return {"order": _ORDERS[question.order_by], "then": then}


def parameters(question: GetTopProducts, _: Principal) -> Mapping[str, object]:
    """Name the days of each piece of the range."""
    pieces = {"newest": pieces_of(question), "earlier": pieces_of_revision_1(question)}
    days = {
        f"{name}_{side}_{n}": getattr(piece, side)
        for name, of_revision in pieces.items()
        for n, piece in enumerate(of_revision)
        for side in ("begin", "end")
    }
    return {**days, "currency": question.currency, "limit": question.limit}


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
    sql=sql,
    parameters=parameters,
    answer=answer,
)
