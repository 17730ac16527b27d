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
    all_of,
    has_words,
    word_parameters,
    words_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordering.runtime.http import Principal
    from ordering.runtime.postgres import Row

_CONDITIONS: Final = {
    "status": "status = %(status)s",
    "customer_id": "customer_id = %(customer_id)s",
    "sku": "skus @> %(skus)s",
    "from_": "placed_at >= %(from)s::timestamptz",
    "to": "placed_at < %(to)s::timestamptz",
    "currency": "currency = %(currency)s",
    "min_total": "total >= %(min_total)s::numeric",
    "max_total": "total <= %(max_total)s::numeric",
}
"""By the field that asks for it."""
_WALKED_BY: Final = {
    "placed_at": {"customer_id", "status", "from_", "to"},
    "total": {"currency", "min_total", "max_total"},
}
"""What confines the walk through an index of this order."""
_KEYS: Final = {"placed_at": KeyType.INSTANT, "total": KeyType.AMOUNT}
LISTS: Final = {
    order_by: SearchedList(
        "order_search",
        Keyset({order_by: key_type, "order_id": KeyType.UUID}),
        item="(document -> 'item')::text",
    )
    for order_by, key_type in _KEYS.items()
}


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


def sql(question: SearchOrders) -> str:
    """Look first for what an index finds; the rest is walked or filtered."""
    words = has_words("search", len(words_of(question.q or "")))
    given = {name for name in _CONDITIONS if getattr(question, name) is not None}
    walked_by = _WALKED_BY[question.order_by]
    # One index at a time: a customer has fewer orders than a status, as a rule.
    indexed = given - {"status"} if "customer_id" in given else given
    found_by = indexed & ({"customer_id", "status", "sku"} - walked_by)
    return LISTS[question.order_by].sql(
        walked=all_of(_CONDITIONS[name] for name in sorted(indexed & walked_by)),
        filters=all_of([*(_CONDITIONS[name] for name in sorted(given)), words]),
        hits=all_of([*(_CONDITIONS[name] for name in sorted(found_by)), words])
        if found_by or question.q
        else "",
    )


def parameters(question: SearchOrders, _: Principal) -> Mapping[str, object]:
    """Name what is asked for, and start behind the cursor."""
    return {
        "status": question.status,
        "customer_id": question.customer_id,
        "skus": None if question.sku is None else json.dumps([question.sku]),
        "from": question.from_,
        "to": question.to,
        "currency": question.currency,
        "min_total": question.min_total,
        "max_total": question.max_total,
        **word_parameters(words_of(question.q or "")),
        **LISTS[question.order_by].keyset.parameters(question),
    }


def answer(question: SearchOrders, rows: Sequence[Row]) -> Answer[FoundOrders]:
    """Put the stored items in a list as they are."""
    return Answer(LISTS[question.order_by].body(question, rows))


handler = QueryFunction(
    SearchOrders,
    read_models=["order_search"],
    sql=sql,
    parameters=parameters,
    answer=answer,
)
