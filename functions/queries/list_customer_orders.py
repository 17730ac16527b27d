"""GET /customers/{customer_id}/orders: a customer's orders, newest first."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field

from ordering.domain.errors import NotFound
from ordering.domain.sent import SentInstant
from ordering.domain.values import CustomerId, PageLimit, Status, Value
from ordering.read_side.cursor import bad_cursor, read_cursor, write_cursor
from ordering.read_side.freshness import read_rfc3339, rfc3339
from ordering.read_side.query import Answer, QueryFunction
from ordering.runtime.ids import order_id_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from ordering.runtime.http import Principal
    from ordering.runtime.postgres import Row

SQL: Final = """
select document::text, placed_at, order_id::text from customer_orders
where customer_id = %(customer_id)s
  and (%(status)s is null or status = %(status)s)
  and (%(from)s::timestamptz is null or placed_at >= %(from)s::timestamptz)
  and (%(to)s::timestamptz is null or placed_at < %(to)s::timestamptz)
  and (%(after)s is null
       or (placed_at, order_id) < (%(after_placed_at)s::timestamptz, %(after_order_id)s::uuid))
order by placed_at desc, order_id desc
limit %(rows)s
"""


class ListCustomerOrders(Value):
    """Whose orders, and which: placed at or after ``from`` and before ``to``."""

    customer_id: CustomerId
    status: Status | None = None
    from_: Annotated[SentInstant | None, Field(alias="from")] = None
    to: SentInstant | None = None
    limit: PageLimit = 20
    cursor: str | None = None


CUSTOMER_NOT_FOUND = NotFound("customer-not-found", "There is no such customer.")


def parameters(
    question: ListCustomerOrders, principal: Principal
) -> Mapping[str, object] | NotFound:
    """Confine customers to their own orders, and start behind the cursor."""
    if not principal.may_see(question.customer_id):
        return CUSTOMER_NOT_FOUND
    placed_at, order_id = None, None
    if question.cursor is not None:
        placed_at, order_id = _position(question)
    return {
        "customer_id": question.customer_id,
        "status": question.status,
        "from": question.from_,
        "to": question.to,
        "after": question.cursor,
        "after_placed_at": placed_at,
        "after_order_id": order_id,
        # One more than asked for tells whether there is a next page.
        "rows": question.limit + 1,
    }


def answer(question: ListCustomerOrders, rows: Sequence[Row]) -> Answer:
    """Put the stored items in a list as they are."""
    page = rows[: question.limit]
    cursor = None
    if len(rows) > question.limit:
        _, placed_at, order_id = page[-1]
        cursor = write_cursor([rfc3339(placed_at), order_id], _filters(question))
    items = ",".join(document for document, *_ in page)
    return Answer(f'{{"items": [{items}], "next_cursor": {json.dumps(cursor)}}}')


def _filters(question: ListCustomerOrders) -> dict[str, object]:
    return question.model_dump(exclude={"cursor", "limit"})


def _position(question: ListCustomerOrders) -> tuple[datetime, str]:
    placed_at, order_id = read_cursor(question.cursor or "", _filters(question), 2)
    instant = read_rfc3339(placed_at)
    if instant is None or order_id_of(order_id) != order_id:
        raise bad_cursor()
    return instant, order_id


handler = QueryFunction(
    ListCustomerOrders,
    read_models=["customer_orders"],
    sql=SQL,
    parameters=parameters,
    answer=answer,
)
