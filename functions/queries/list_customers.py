"""GET /customers: the customers that ordered the most, or last, first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal, Self

from pydantic import AfterValidator, model_validator
from typing_extensions import TypedDict

from ordering.domain.sent import SentCurrency, SentText64
from ordering.domain.validation import needs_currency
from ordering.domain.values import PageLimit, Value
from ordering.read_side.answers import Answer, CurrencySummary
from ordering.read_side.paging import Keyset, KeyType
from ordering.read_side.query import QueryFunction
from ordering.read_side.searching import (
    SearchedList,
    all_of,
    has_words,
    must_be_findable,
    word_parameters,
)
from ordering.read_side.written import CURRENCY_SUMMARY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordering.runtime.http import Principal
    from ordering.runtime.postgres import Row

_REST: Final = {"customer_id": KeyType.TEXT, "currency": KeyType.TEXT}
_KEYS: Final = {
    "value": {"lifetime_value": KeyType.AMOUNT, "customer_id": KeyType.TEXT},
    "orders": {"orders": KeyType.COUNT, **_REST},
    "last_order": {"last_order_at": KeyType.INSTANT, **_REST},
}
LISTS: Final = {
    order_by: SearchedList(
        "customer_summary_sums",
        Keyset(key),
        item=f"json_build_object('customer_id', customer_id, {CURRENCY_SUMMARY})::text",
    )
    for order_by, key in _KEYS.items()
}


class CustomerInCurrency(CurrencySummary):
    """What a customer ordered in one currency."""

    customer_id: str


class CustomerList(TypedDict):
    """A page of a list; ``next_cursor`` asks for the next one, and is null on the last.

    A page may have fewer items than its limit, or none, and a ``next_cursor`` all the same: it ends
    when 5,000 were looked at.
    """

    items: list[CustomerInCurrency]
    next_cursor: str | None


def _words(text: str) -> list[str]:
    return text.lower().split()


class ListCustomers(Value):
    """Which customers: those whose ids have each word of ``q``, whatever its case.

    One who ordered in several currencies is in the list once for each. ``order_by=value`` needs a
    ``currency``: amounts of several cannot be compared.
    """

    q: (
        Annotated[SentText64, AfterValidator(lambda text: must_be_findable(text, _words(text)))]
        | None
    ) = None
    order_by: Literal["value", "orders", "last_order"] = "last_order"
    currency: SentCurrency | None = None
    limit: PageLimit = 20
    cursor: str | None = None

    @model_validator(mode="after")
    def _compares_one_currency(self) -> Self:
        if self.order_by == "value":
            needs_currency(self.currency)
        return self


def sql(question: ListCustomers) -> str:
    """Look first for the customers that ``q`` finds."""
    words = has_words("lower(customer_id)", len(_words(question.q or "")))
    of_currency = "currency = %(currency)s" if question.currency else "true"
    return LISTS[question.order_by].sql(
        # Those of one currency are in an index by value.
        walked=of_currency if question.order_by == "value" else "true",
        filters=all_of([of_currency, words]),
        hits=words if question.q else "",
    )


def parameters(question: ListCustomers, _: Principal) -> Mapping[str, object]:
    """Name what is asked for, and start behind the cursor."""
    return {
        "currency": question.currency,
        **word_parameters(_words(question.q or "")),
        **LISTS[question.order_by].keyset.parameters(question),
    }


def answer(question: ListCustomers, rows: Sequence[Row]) -> Answer[CustomerList]:
    """Put the summaries in a list as they are."""
    return Answer(LISTS[question.order_by].body(question, rows))


handler = QueryFunction(
    ListCustomers,
    read_models=["customer_summary"],
    sql=sql,
    parameters=parameters,
    answer=answer,
)
