"""Cursors that were not made here, though they look as if they were."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from infra.contracts.functions import files_of
from tests.databases import empty_read_side
from tests.domain.vocabulary import an_order_was_placed, it_was_confirmed
from tests.integration.projections import apply, batch, new_order, records_of
from tests.integration.requests import VARIABLES, body_of, request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ordering.runtime.postgres import Database
    from tests.databases import Databases

QUERIES: Final = {file.stem: file.handler for file in files_of("queries")}
INSTANTS: Final = ("", "2026", "2026-13-01T00:00:00.000000Z", "2026-01-01T00:00:00Z", "now")
UUIDS: Final = ("", "x", "00000000000000000000000000000000", "é")
NUMBERS: Final = ("", "-1", "1.0", "2147483648", "٣", "9" * 5000, "null")
AMOUNTS: Final = ("", "NaN", "1e5", "Infinity", "9" * 40, "1.23456", "٣")
TEXTS: Final = ("\x00", "\ud800")
EUROS: Final = {"currency": "EUR"}
LISTS: Final[list[tuple[str, dict[str, str], list[tuple[str, ...]]]]] = [
    ("search_orders", {}, [INSTANTS, UUIDS]),
    ("search_orders", {"q": "berlin"}, [INSTANTS, UUIDS]),
    ("search_orders", {"order_by": "total"} | EUROS, [AMOUNTS, UUIDS]),
    ("list_customer_orders", {"customer_id": "ALFKI"}, [INSTANTS, UUIDS]),
    ("get_order_history", {"order_id": "?"}, [NUMBERS]),
    ("get_work_queue", {"stage": "to_pay"}, [INSTANTS, UUIDS]),
    ("list_customers", {}, [INSTANTS, TEXTS, TEXTS]),
    ("list_customers", {"order_by": "orders"}, [NUMBERS, TEXTS, TEXTS]),
    ("list_customers", {"order_by": "value"} | EUROS, [AMOUNTS, TEXTS]),
]


@pytest.fixture(scope="module")
def an_order(databases: Databases) -> Iterator[str]:
    """Return one of two orders of two customers."""
    with databases.borrowed():
        empty_read_side(databases.owner("read"))
        projector = databases.open("read", "ordering_projector")
        for customer_id in ("ANATR", "ALFKI", "ALFKI"):
            order_id = new_order()
            facts = (an_order_was_placed(customer_id=customer_id), it_was_confirmed())
            assert apply(projector, batch({0: records_of(order_id, facts)})) == []
        yield order_id
        empty_read_side(databases.owner("read"))


@pytest.mark.parametrize(("stem", "asked", "parts"), LISTS)
def test_a_forged_cursor_is_refused(
    queries: Database,
    an_order: str,
    stem: str,
    asked: dict[str, str],
    parts: list[tuple[str, ...]],
) -> None:
    fields = {name: an_order if value == "?" else value for name, value in asked.items()}
    path = {name: fields.pop(name) for name in VARIABLES[stem]}

    def ask(**query: str) -> Any:  # noqa: ANN401 - any answer
        event = request(path=path, query={**fields, "limit": "1", **query})
        return QUERIES[stem].using(queries)(event, None)

    cursor = body_of(ask())["next_cursor"]
    digest, *key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    assert len(key) == len(parts)
    forgeries: list[list[Any]] = [[], key[:-1], [*key, "x"], [None] * len(key), [1] * len(key)]
    for number, values in enumerate(parts):
        forgeries += [[*key[:number], value, *key[number + 1 :]] for value in values]
    for forged in forgeries:
        text = json.dumps([digest, *forged], separators=(",", ":"))
        written = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
        answer = ask(cursor=written)
        assert (answer["statusCode"], body_of(answer)["code"]) == (400, "bad-cursor"), forged
    assert ask(cursor=cursor)["statusCode"] == 200
