"""GET /orders/{order_id}: everything about one order; its ETag is the order's version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ordering.domain.errors import ORDER_NOT_FOUND, NotFound
from ordering.domain.values import Value
from ordering.read_side.query import Answer, QueryFunction
from ordering.runtime.ids import order_id_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordering.runtime.http import Principal
    from ordering.runtime.postgres import Row

SQL: Final = """
select document::text, version from order_details
where order_id = %(order_id)s::uuid and (%(caller)s is null or customer_id = %(caller)s)
"""


class GetOrder(Value):
    """Which order."""

    order_id: str


def parameters(question: GetOrder, _: Principal) -> Mapping[str, object] | NotFound:
    """Know what can be no order id."""
    order_id = order_id_of(question.order_id)
    if order_id is None:
        return ORDER_NOT_FOUND
    return {"order_id": order_id}


def answer(_: GetOrder, rows: Sequence[Row]) -> Answer | NotFound:
    """Send the stored document as it is."""
    if not rows:
        return ORDER_NOT_FOUND
    document, version = rows[0]
    return Answer(document, version)


handler = QueryFunction(
    GetOrder, read_models=["order_details"], sql=SQL, parameters=parameters, answer=answer
)
