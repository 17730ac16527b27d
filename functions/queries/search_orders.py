"""GET /orders: operators find orders by words, SKU, customer, status, time and amount."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Final, Literal, Self

from pydantic import Field, model_validator
from typing_extensions import TypedDict

from ordering.domain.sent import AmountToCompare, SentCurrency, SentInstant
from ordering.domain.validation import fields_error, needs_currency, not_reversed
from ordering.domain.values import CustomerId, PageLimit, Sku, Status, Value, digits_problem
from ordering.read_side.answers import Answer, OrderItem
from ordering.read_side.paging import Keyset, KeyType
from ordering.read_side.query import QueryFunction
from ordering.read_side.searching import (
    SearchedList,
    SearchText,
    has_words,
    word_parameters,
    words_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordering.runtime.http import Principal
    from ordering.runtime.postgres import Row

_FILTERS: Final = """(%(status)s is null or status = %(status)s)
  and (%(customer_id)s is null or customer_id = %(customer_id)s)
  and (%(skus)s is null or skus @> %(skus)s)
  and (%(from)s::timestamptz is null or placed_at >= %(from)s::timestamptz)
  and (%(to)s::timestamptz is null or placed_at < %(to)s::timestamptz)
  and (%(currency)s is null or currency = %(currency)s)
  and (%(min_total)s::numeric is null or total >= %(min_total)s::numeric)
  and (%(max_total)s::numeric is null or total <= %(max_total)s::numeric)
  and """ + has_words("search")
_WALKED: Final = {
    "placed_at": """(%(walked_customer_id)s is null or customer_id = %(walked_customer_id)s)
      and (%(walked_status)s is null or status = %(walked_status)s)
      and (%(from)s::timestamptz is null or placed_at >= %(from)s::timestamptz)
      and (%(to)s::timestamptz is null or placed_at < %(to)s::timestamptz)""",
    "total": """currency = %(currency)s
      and (%(min_total)s::numeric is null or total >= %(min_total)s::numeric)
      and (%(max_total)s::numeric is null or total <= %(max_total)s::numeric)""",
}
_HITS: Final = """(%(found_customer_id)s is null or customer_id = %(found_customer_id)s)
      and (%(found_status)s is null or status = %(found_status)s)
      and (%(skus)s is null or skus @> %(skus)s) and """ + has_words("search")
_KEYS: Final = {"placed_at": KeyType.INSTANT, "total": KeyType.AMOUNT}


def lists() -> dict[str, SearchedList]:
    """Return the list in each of its orders."""
    return {
        order_by: SearchedList(
            "order_search",
            Keyset({order_by: key_type, "order_id": KeyType.UUID}),
            item="(document -> 'item')::text",
            hits=_HITS,
            walked=_WALKED[order_by],
            filters=_FILTERS,
        )
        for order_by, key_type in _KEYS.items()
    }


LISTS: Final = lists()


class FoundOrder(OrderItem):
    """An order that was found, with the name and the city that it goes to."""

    shipping_name: str
    shipping_city: str


class FoundOrders(TypedDict):
    """A page of orders; ``next_cursor`` asks for the next one, and is null on the last.

    A page may have fewer items than its limit, or none, and a ``next_cursor`` all the same: where
    filters leave few of many orders, a page ends when 5,000 orders were looked at.
    """

    items: list[FoundOrder]
    next_cursor: str | None


class SearchOrders(Value):
    """Which orders: those for which everything that is asked holds.

    ``q`` are words, each of which is somewhere in the order's id, reference, customer id, the
    names and cities of its addresses, the SKUs and names of its lines, or a tracking number; case
    and accents do not count, and one word has three letters or digits in a row. ``from`` and ``to``
    are of ``placed_at``. Amounts need a ``currency``: those of several cannot be compared.
    """

    q: SearchText | None = None
    status: Status | None = None
    customer_id: CustomerId | None = None
    sku: Sku | None = None
    from_: Annotated[SentInstant | None, Field(alias="from")] = None
    to: SentInstant | None = None
    min_total: AmountToCompare | None = None
    max_total: AmountToCompare | None = None
    currency: SentCurrency | None = None
    order_by: Literal["placed_at", "total"] = "placed_at"
    limit: PageLimit = 20
    cursor: str | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        not_reversed(self.from_, self.to)
        not_reversed(self.min_total, self.max_total, "max_total", "min_total")
        amounts = {"/min_total": self.min_total, "/max_total": self.max_total}
        if self.order_by == "total" or any(a is not None for a in amounts.values()):
            needs_currency(self.currency)
        for pointer, amount in amounts.items():
            if amount is None or self.currency is None:
                continue
            if problem := digits_problem(amount, self.currency):
                raise fields_error([pointer], problem)
        return self


def parameters(question: SearchOrders, _: Principal) -> Mapping[str, object]:
    """Look first for what an index finds; the rest is walked or filtered."""
    of_text = question.q is not None or question.sku is not None
    by_placed_at = question.order_by == "placed_at"
    customer_id, status = question.customer_id, question.status
    # One index at a time: a customer has fewer orders than a status, as a rule.
    status_alone = status if customer_id is None else None
    by_others = not (of_text or by_placed_at)
    return {
        "status": status,
        "customer_id": customer_id,
        "skus": None if question.sku is None else json.dumps([question.sku]),
        "from": question.from_,
        "to": question.to,
        "currency": question.currency,
        "min_total": question.min_total,
        "max_total": question.max_total,
        **word_parameters(words_of(question.q or "")),
        "walked_customer_id": customer_id,
        "walked_status": status_alone,
        "found_customer_id": customer_id if by_others else None,
        "found_status": status_alone if by_others else None,
        **LISTS[question.order_by].parameters(
            question,
            by_hits=of_text or (by_others and (customer_id or status) is not None),
        ),
    }


def answer(question: SearchOrders, rows: Sequence[Row]) -> Answer[FoundOrders]:
    """Put the stored items in a list as they are."""
    return Answer(LISTS[question.order_by].body(question, rows))


handler = QueryFunction(
    SearchOrders,
    read_models=["order_search"],
    sql=lambda question: LISTS[question.order_by].sql,
    parameters=parameters,
    answer=answer,
)
