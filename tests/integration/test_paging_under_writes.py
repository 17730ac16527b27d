"""Lists are read page by page while orders are written: nothing is there twice or missing."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Self

import pytest

from infra.contracts.functions import files_of
from tests.databases import empty_read_side
from tests.domain.vocabulary import (
    an_order_was_placed,
    it_was_confirmed,
    it_was_held,
)
from tests.integration.projections import PROJECTORS, batch, new_order, records_of
from tests.integration.requests import VARIABLES, body_of, request
from tests.shared import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ordering.domain.events import OrderEvent
    from ordering.runtime.postgres import Database
    from tests.databases import Databases

QUERIES: Final = {file.stem: file.handler for file in files_of("queries")}
MANY: Final = "CUSTOMER-MANY"
THERE: Final = 150
"""So many orders of customers of their own, and as many of one, are there throughout."""
DAYS: Final = [datetime(2026, 5, day, tzinfo=UTC) for day in (1, 2)]
PAST: Final = datetime(2026, 5, 3, tzinfo=UTC)


def life(number: int, customer_id: str) -> list[OrderEvent]:
    """Return what happened to an order: by the hundred they are equal in every key of a list."""
    placed = an_order_was_placed(placed_at=DAYS[number % 2], customer_id=customer_id)
    return [placed, it_was_confirmed(), it_was_held()]


class Writer:
    """Places orders, of customers of their own and of one with many, until it is told to stop."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self.written = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _work(self) -> None:
        database = self._databases.open("read", "ordering_projector")
        while not self._is_over.is_set():
            number = 2 * THERE + self.written
            customer_id = MANY if number % 2 else f"CUSTOMER-NEW-{number}"
            write(database, [life(number, customer_id)], number)
            self.written += 1


def write(database: Database, lives: Sequence[list[OrderEvent]], first: int = 0) -> list[str]:
    """Apply orders' events in every read model; by the hundred they come at the same times."""
    orders = {new_order(): facts for facts in lives}
    records: list[bytes | None] = []
    for number, (order_id, facts) in enumerate(orders.items(), start=first):
        times = [PAST + timedelta(hours=number % 3 + n) for n in range(len(facts))]
        records += records_of(order_id, facts, times)
    event = batch({0: records}, first * 10)
    for function in PROJECTORS:
        assert function.using(database)(event, None)["batchItemFailures"] == []
    return [*orders]


@pytest.fixture(scope="module")
def there(databases: Databases) -> Iterator[dict[str, set[str]]]:
    """Return what is there throughout, by the field that names it."""
    with databases.borrowed():
        empty_read_side(databases.owner("read"))
        database = databases.open("read", "ordering_projector")
        own = write(database, [life(n, f"CUSTOMER-{n}") for n in range(THERE)])
        of_one = write(database, [life(n, MANY) for n in range(THERE)], THERE)
        yield {
            "order_id": {*own, *of_one},
            "customer_id": {f"CUSTOMER-{n}" for n in range(THERE)},
            "of one": {*of_one},
        }
        empty_read_side(databases.owner("read"))


@pytest.mark.parametrize(
    ("stem", "asked", "names"),
    [
        ("search_orders", {}, "order_id"),
        ("search_orders", {"order_by": "total", "currency": "EUR"}, "order_id"),
        ("search_orders", {"q": "berlin", "status": "held"}, "order_id"),
        ("search_orders", {"sku": "28", "order_by": "total", "currency": "EUR"}, "order_id"),
        ("search_orders", {"customer_id": MANY}, "of one"),
        ("list_customer_orders", {"customer_id": MANY}, "of one"),
        ("get_work_queue", {"stage": "held"}, "order_id"),
        ("get_work_queue", {"stage": "to_pay"}, "order_id"),
        ("list_customers", {}, "customer_id"),
        ("list_customers", {"order_by": "orders"}, "customer_id"),
        ("list_customers", {"order_by": "value", "currency": "EUR"}, "customer_id"),
        ("list_customers", {"q": "customer"}, "customer_id"),
    ],
)
def test_what_is_there_throughout_is_seen_once(  # noqa: PLR0917 - fixtures and parameters
    databases: Databases,
    queries: Database,
    there: dict[str, set[str]],
    stem: str,
    asked: dict[str, str],
    names: str,
) -> None:
    fields = asked | {"limit": "7"}
    path = {name: fields.pop(name) for name in VARIABLES[stem]}
    key = "customer_id" if names == "customer_id" else "order_id"
    seen: Counter[str] = Counter()
    pages = 0
    with Writer(databases) as writer:
        while True:
            answer = QUERIES[stem].using(queries)(request(path=path, query=fields), None)
            page = body_of(answer)
            seen.update(item[key] for item in page["items"])
            pages += 1
            if page["next_cursor"] is None:
                break
            fields["cursor"] = page["next_cursor"]
            if pages % 4 == 0:
                written = writer.written
                eventually(lambda: writer.written > written)  # noqa: B023 - looked at here only
    # Each order of this customer moves it in the list: it may be seen where it was and where it is.
    del seen[MANY]
    assert [name for name, times in seen.items() if times > 1] == []
    assert there[names] - seen.keys() == set()
    assert writer.written >= pages // 4
    assert pages > THERE / 7
