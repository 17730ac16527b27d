"""GET /customers/{customer_id}/orders: a customer's orders, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Self

from pydantic import Field, model_validator
from typing_extensions import TypedDict

from ordering.domain.errors import CUSTOMER_NOT_FOUND, NotFound
from ordering.domain.sent import SentInstant
from ordering.domain.validation import not_reversed
from ordering.domain.values import CustomerId, PageLimit, Status, Value
from ordering.read_side.answers import Answer
from ordering.read_side.paging import Keyset, KeyType
from ordering.read_side.query import QueryFunction

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordering.read_side.answers import OrderItem
    from ordering.runtime.http import Principal
    from ordering.runtime.postgres import Row

PAGE: Final = Keyset({"placed_at": KeyType.INSTANT, "order_id": KeyType.UUID})
SQL: Final = PAGE.sql("""
select document::text, {key} from customer_orders
where customer_id = %(customer_id)s
  and (%(status)s is null or status = %(status)s)
  and (%(from)s::timestamptz is null or placed_at >= %(from)s::timestamptz)
  and (%(to)s::timestamptz is null or placed_at < %(to)s::timestamptz)
  and {after}
{page}
""")


class OrderList(TypedDict):
    """A page of a list; ``next_cursor`` asks for the next one, and is null on the last."""

    items: list[OrderItem]
    next_cursor: str | None


class ListCustomerOrders(Value):
    """Whose orders, and which: placed at or after ``from`` and before ``to``."""

    customer_id: CustomerId
    status: Status | None = None
    from_: Annotated[SentInstant | None, Field(alias="from")] = None
    to: SentInstant | None = None
    limit: PageLimit = 20
    cursor: str | None = None

    @model_validator(mode="after")
    def _is_not_reversed(self) -> Self:
        not_reversed(self.from_, self.to)
        return self


def parameters(
    question: ListCustomerOrders, principal: Principal
) -> Mapping[str, object] | NotFound:
    """Confine customers to their own orders, and start behind the cursor."""
    if not principal.may_see(question.customer_id):
        return CUSTOMER_NOT_FOUND
    return {
        "customer_id": question.customer_id,
        "status": question.status,
        "from": question.from_,
        "to": question.to,
        **PAGE.parameters(question),
    }


def answer(question: ListCustomerOrders, rows: Sequence[Row]) -> Answer[OrderList]:
    """Put the stored items in a list as they are."""
    return Answer(PAGE.body(question, rows))


handler = QueryFunction(
    ListCustomerOrders,
    read_models=["customer_orders"],
    sql=SQL,
    parameters=parameters,
    answer=answer,
)
