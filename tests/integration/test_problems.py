"""Every registered problem that functions answer with is met; the gateway's are met there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from commands import apply_coupon, confirm_order, place_order
from ordering.runtime.consistency import token
from ordering.runtime.postgres import Database
from ordering.runtime.problem_types import (
    BAD_CONSISTENCY_TOKEN,
    BAD_CURSOR,
    BAD_IDEMPOTENCY_KEY,
    BAD_IF_MATCH,
    CONFLICT,
    IDEMPOTENCY_KEY_REUSED,
    INTERNAL_ERROR,
    INVALID_REQUEST,
    MALFORMED_REQUEST,
    NO_SUBJECT,
    ORDER_TOO_LARGE,
    PROBLEM_TYPES,
    READ_MODEL_BEHIND,
    REQUEST_IN_PROGRESS,
    REQUEST_TOO_LARGE,
    SERVICE_UNAVAILABLE,
    UNSUPPORTED_MEDIA_TYPE,
    VERSION_MISMATCH,
    ProblemType,
    Source,
)
from queries import get_order, list_customer_orders
from tests.integration.commands_on_postgres import (
    CountingDatabase,
    LosingDatabase,
    make_too_large,
    placed,
)
from tests.integration.projections import new_order
from tests.integration.requests import body_of, request
from tests.shared import an_order

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.databases import Databases


class Asked:
    """What is asked of the functions, each time on connections of its own."""

    def __init__(self, databases: Databases) -> None:
        self.databases = databases
        self.writes = databases.open("write", "ordering_command")
        self.reads = databases.open("read", "ordering_query")

    def place(self, body: object = None, **parts: Any) -> Any:  # noqa: ANN401 - a response
        event = request(an_order() if body is None else body, **parts)
        return place_order.handler.using(self.writes)(event, None)

    def confirm(self, order_id: str, **parts: Any) -> Any:  # noqa: ANN401 - a response
        event = request(path={"order_id": order_id}, **parts)
        return confirm_order.handler.using(self.writes)(event, None)

    def get(self, order_id: str, **parts: Any) -> Any:  # noqa: ANN401 - a response
        event = request(path={"order_id": order_id}, **parts)
        return get_order.handler.using(self.reads)(event, None)

    def bad_cursor(self) -> Any:  # noqa: ANN401 - a response
        event = request(path={"customer_id": "ALFKI"}, query={"cursor": "bm90IG91cnM"})
        return list_customer_orders.handler.using(self.reads)(event, None)

    def reused_key(self) -> Any:  # noqa: ANN401 - a response
        key = new_order()
        self.place(idempotency_key=key)
        return self.place(an_order(reference="another"), idempotency_key=key)

    def lost_race(self) -> Any:  # noqa: ANN401 - a response
        database = LosingDatabase(
            self.databases.conninfo("write", "ordering_command"), "none", "test"
        )
        order_id = placed(database)
        database.losses = 6
        event = request(path={"order_id": order_id})
        return confirm_order.handler.using(database)(event, None)

    def in_progress(self) -> Any:  # noqa: ANN401 - a response
        slow = self.databases.open("write", "ordering_command").session()
        with slow.cursor() as cursor:
            cursor.execute("insert into command_results values ('operator', 'p', '', '{}')")
        answer = self.place(idempotency_key="p")
        slow.close()
        return answer

    def too_large(self) -> Any:  # noqa: ANN401 - a response
        order_id = placed(self.writes)
        make_too_large(self.databases.owner("write"), order_id)
        coupon = {"code": "TEN", "percent_off": "10"}
        event = request(coupon, path={"order_id": order_id})
        return apply_coupon.handler.using(self.writes)(event, None)

    def broken(self) -> Any:  # noqa: ANN401 - a response
        return place_order.handler.using(BrokenDatabase("", "none", "test"))(
            request(an_order()), None
        )

    def unavailable(self) -> Any:  # noqa: ANN401 - a response
        nowhere = Database("host=127.0.0.1 port=1 dbname=ordering user=x", "none", "test")
        return place_order.handler.using(nowhere)(request(an_order()), None)


class BrokenDatabase(CountingDatabase):
    """Has a bug."""

    def rows_meanwhile(self, *asked: Any) -> Any:  # noqa: ANN401 - as its base
        raise ZeroDivisionError(asked)


WAYS: Final[dict[ProblemType, Callable[[Asked], Any]]] = {
    NO_SUBJECT: lambda asked: asked.place(claims={"scope": "orders:operate"}),
    INVALID_REQUEST: lambda asked: asked.place({}),
    REQUEST_TOO_LARGE: lambda asked: asked.place(" " * 300_000),
    INTERNAL_ERROR: Asked.broken,
    SERVICE_UNAVAILABLE: Asked.unavailable,
    MALFORMED_REQUEST: lambda asked: asked.place("{"),
    BAD_IDEMPOTENCY_KEY: lambda asked: asked.place(idempotency_key="k" * 300),
    BAD_IF_MATCH: lambda asked: asked.confirm(new_order(), if_match="one"),
    CONFLICT: Asked.lost_race,
    REQUEST_IN_PROGRESS: Asked.in_progress,
    ORDER_TOO_LARGE: Asked.too_large,
    VERSION_MISMATCH: lambda asked: asked.confirm(placed(asked.writes), if_match='"7"'),
    UNSUPPORTED_MEDIA_TYPE: lambda asked: asked.place(content_type="text/plain"),
    IDEMPOTENCY_KEY_REUSED: Asked.reused_key,
    BAD_CONSISTENCY_TOKEN: lambda asked: asked.get(new_order(), consistency_token="x"),  # noqa: S106 - it is none
    BAD_CURSOR: Asked.bad_cursor,
    READ_MODEL_BEHIND: lambda asked: asked.get(
        order_id := new_order(), consistency_token=token(order_id, 1)
    ),
}
OF_FUNCTIONS: Final = [each for each in PROBLEM_TYPES if each.sources - {Source.GATEWAY}]


@pytest.mark.parametrize("problem", OF_FUNCTIONS, ids=[each.code for each in OF_FUNCTIONS])
def test_each_problem_of_the_functions_can_be_met(
    databases: Databases, problem: ProblemType
) -> None:
    answer = WAYS[problem](Asked(databases))
    assert (answer["statusCode"], body_of(answer)["code"]) == (problem.status, problem.code)
    assert answer["headers"]["content-type"] == "application/problem+json"
