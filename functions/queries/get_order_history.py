"""GET /orders/{order_id}/history: what happened to an order, one item per event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from typing_extensions import TypedDict

from ordering.domain.errors import ORDER_NOT_FOUND, NotFound
from ordering.domain.values import PageLimit, Value
from ordering.read_side.answers import Answer
from ordering.read_side.paging import Keyset, KeyType
from ordering.read_side.query import QueryFunction
from ordering.runtime.ids import order_id_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordering.domain.parts import (
        Balance,
        Line,
        Payment,
        Refund,
        Return,
        Shipment,
        Totals,
        Units,
    )
    from ordering.domain.values import Status
    from ordering.read_side.answers import InstantText, Version
    from ordering.runtime.http import Principal
    from ordering.runtime.postgres import Row

PAGE: Final = Keyset({"version": KeyType.INTEGER}, is_ascending=True)
MOST_BYTES: Final = 1_500_000
"""So many has a page; an item that has more is alone. An item is smaller than an order's answer
(``limits.MAX_ANSWER_BYTES``), and Lambda's answers, in which quotes and letters beyond ASCII are
escaped, have 6 MB at most."""
SQL: Final = PAGE.sql("""
select item, {key}, whole > count(*) over () as is_cut from (
  select item, count(*) over () as whole, {key}, row_number() over (order by {key}) as position,
    sum(octet_length(item)) over (order by {key}) as bytes
  from (
    select document::text as item, {key} from order_history_rows
    where order_id = %(order_id)s::uuid and exists (
        select from order_history as o where o.order_id = %(order_id)s::uuid
          and (%(caller)s is null or o.customer_id = %(caller)s)
      )
      and {after}
    {page}
  ) as page
) as sized
where position = 1 or bytes <= %(most_bytes)s
order by {key}
""")


class OrderChanges(TypedDict, total=False):
    """Those fields of an order that an event changed, as they are after it; of lists, its items."""

    status: Status
    totals: Totals
    balance: Balance
    units: Units
    lines: list[Line]
    payments: list[Payment]
    shipments: list[Shipment]
    returns: list[Return]
    refunds: list[Refund]


class HistoryItem(TypedDict):
    """What happened to an order, when, by whom and what it changed."""

    version: Version
    event: str
    at: InstantText
    actor: str
    status: Status
    details: dict[str, Any]
    changes: OrderChanges


class OrderHistory(TypedDict):
    """A page of a list; ``next_cursor`` asks for the next one, and is null on the last.

    Of an order whose events are very large a page may have fewer items than its limit.
    """

    items: list[HistoryItem]
    next_cursor: str | None


class GetOrderHistory(Value):
    """Of which order, and which page."""

    order_id: str
    limit: PageLimit = 20
    cursor: str | None = None


def parameters(question: GetOrderHistory, _: Principal) -> Mapping[str, object] | NotFound:
    """Answer 404 to a text that is no order id, without asking the database."""
    order_id = order_id_of(question.order_id)
    if order_id is None:
        return ORDER_NOT_FOUND
    return {"order_id": order_id, "most_bytes": MOST_BYTES, **PAGE.parameters(question)}


def answer(question: GetOrderHistory, rows: Sequence[Row]) -> Answer[OrderHistory] | NotFound:
    """Put the stored items in a list as they are; an order has one event at least."""
    if not rows and question.cursor is None:
        return ORDER_NOT_FOUND
    is_cut = bool(rows) and rows[-1][2]
    goes_on_after = rows[-1][1:2] if is_cut else None
    return Answer(PAGE.body(question, [row[:2] for row in rows], goes_on_after))


handler = QueryFunction(
    GetOrderHistory, read_models=["order_history"], sql=SQL, parameters=parameters, answer=answer
)
