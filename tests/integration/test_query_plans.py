"""What queries read of a large read side: by an index, and not more than was asked for."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pytest

from infra.contracts.functions import files_of
from ordering.read_side.query import PLANS
from ordering.read_side.searching import GLANCED_AT, MOST_HITS, MOST_WALKED
from ordering.runtime.postgres import Database
from tests.databases import empty_read_side
from tests.integration.requests import VARIABLES, body_of, request
from tests.large_read_side import ORDER, make_large

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.contracts.functions import HttpFile
    from tests.databases import Databases

ORDERS: Final = 200_000
BIG: Final = 5_000
"""Tables with more rows are never read one row after the other."""
LIMIT: Final = 20
QUERIES: Final[dict[str, HttpFile]] = {file.stem: file for file in files_of("queries")}
LONG_AGO: Final = "2024-02-01T00:00:00Z"


@dataclass
class Cost:
    """What a plan read and sorted, in rows, and the big tables that it read from end to end."""

    read: int = 0
    sorted: int = 0
    grouped: int = 0
    scanned: list[str] = field(default_factory=list)

    def add(self, node: dict[str, Any], sizes: dict[str, int]) -> None:
        loops = node["Actual Loops"]
        kind = node["Node Type"]
        rows = node["Actual Rows"] * loops
        if table := node.get("Relation Name"):
            rows += node.get("Rows Removed by Filter", 0) * loops
            rows += node.get("Rows Removed by Index Recheck", 0) * loops
            self.read += rows
            if kind == "Seq Scan" and loops and sizes.get(table, 0) > BIG:
                self.scanned.append(table)
        inputs = node.get("Plans", [])
        if "Sort" in kind and loops:
            self.sorted = max(self.sorted, *(p["Actual Rows"] * p["Actual Loops"] for p in inputs))
        if kind == "Aggregate" and node.get("Group Key"):
            self.grouped = max(self.grouped, rows)
        for each in inputs:
            self.add(each, sizes)


class ExplainingDatabase(Database):
    """Reads the plan of each statement before it runs it."""

    sizes: dict[str, int]
    costs: list[Cost]

    def rows(self, statement: str, parameters: Any = None) -> list[Any]:  # noqa: ANN401 - as its base
        (((plan, *_),),) = super().rows(f"explain (analyze, format json) {statement}", parameters)
        cost = Cost()
        cost.add(plan["Plan"], self.sizes)
        self.costs.append(cost)
        return super().rows(statement, parameters)


@pytest.fixture(scope="module")
def large(databases: Databases) -> Iterator[ExplainingDatabase]:
    """Return a query's connection to a read database with many orders."""
    with databases.borrowed():
        owner = databases.owner("read")
        empty_read_side(owner)
        make_large(databases.conninfo("read", "ordering_owner"), ORDERS)
        conninfo = databases.conninfo("read", "ordering_query")
        explaining = ExplainingDatabase(conninfo, "none", "test", on_connect=PLANS)
        explaining.sizes = dict(owner.rows("select relname::text, reltuples::bigint from pg_class"))
        explaining.costs = []
        yield explaining
        explaining.close()
        empty_read_side(owner)


def ask(large: ExplainingDatabase, stem: str, **fields: str) -> tuple[Cost, dict[str, Any]]:
    """Ask a question; return what it cost, and the answer."""
    path = {name: fields.pop(name) for name in VARIABLES[stem]}
    answer = QUERIES[stem].handler.using(large)(request(path=path, query=fields), None)
    assert answer["statusCode"] == 200, answer["body"]
    cost = large.costs[-1]
    assert cost.scanned == [], (stem, fields)
    return cost, body_of(answer)


def ask_pages(
    large: ExplainingDatabase, stem: str, pages: int, **fields: str
) -> Iterator[tuple[Cost, dict[str, Any]]]:
    """Ask for the first pages of a list."""
    for _ in range(pages):
        cost, body = ask(large, stem, **fields)
        yield cost, body
        if body["next_cursor"] is None:
            return
        fields["cursor"] = body["next_cursor"]


OVERHEAD: Final = 200
"""Rows of the tables that say how fresh the answer is, and of the few sums."""
PAGED: Final = [
    ("list_customer_orders", {"customer_id": "C-BIG"}),
    ("list_customer_orders", {"customer_id": "C-7919"}),
    ("list_customer_orders", {"customer_id": "C-BIG", "status": "completed"}),
    ("list_customer_orders", {"customer_id": "C-BIG", "to": LONG_AGO}),
    ("get_order_history", {"order_id": ORDER}),
    *(("get_work_queue", {"stage": stage}) for stage in ("to_return", "to_ship", "held", "to_pay")),
    ("list_customers", {}),
    ("list_customers", {"order_by": "orders"}),
    ("list_customers", {"order_by": "value", "currency": "USD"}),
    ("list_customers", {"currency": "EUR"}),
    ("search_orders", {}),
    ("search_orders", {"status": "completed"}),
    ("search_orders", {"status": "held"}),
    ("search_orders", {"customer_id": "C-BIG"}),
    ("search_orders", {"from": "2025-01-01T00:00:00Z", "to": "2025-02-01T00:00:00Z"}),
    ("search_orders", {"to": LONG_AGO}),
    ("search_orders", {"order_by": "total", "currency": "EUR"}),
    ("search_orders", {"min_total": "5000.00", "order_by": "total", "currency": "EUR"}),
    ("search_orders", {"max_total": "20.00", "order_by": "total", "currency": "EUR"}),
]


@pytest.mark.parametrize(("stem", "fields"), PAGED)
def test_a_page_reads_little_more_than_it_answers(
    large: ExplainingDatabase, stem: str, fields: dict[str, str]
) -> None:
    for cost, body in ask_pages(large, stem, 3, **fields):
        assert cost.read <= 3 * (LIMIT + 1) + OVERHEAD
        assert cost.sorted <= LIMIT + 1 + OVERHEAD
        assert body["items"]


@pytest.mark.parametrize(
    ("stem", "fields"),
    [
        ("get_order", {"order_id": ORDER}),
        ("get_customer_summary", {"customer_id": "C-BIG"}),
        ("get_work_queue", {}),
        ("get_read_models", {}),
        # Where there is nothing to find, nothing is looked for either.
        ("list_customer_orders", {"customer_id": "C-BIG", "status": "refunded"}),
        ("list_customer_orders", {"customer_id": "C-BIG", "from": "2199-01-01T00:00:00Z"}),
        ("list_customer_orders", {"customer_id": "nobody"}),
        ("search_orders", {"status": "refunded"}),
        ("search_orders", {"customer_id": "nobody"}),
        ("search_orders", {"q": "nothing has this"}),
        ("search_orders", {"sku": "nothing has this"}),
        ("list_customers", {"order_by": "value", "currency": "KWD"}),
        ("list_customers", {"q": "nobody"}),
    ],
)
def test_one_thing_or_none_reads_a_few_rows(
    large: ExplainingDatabase, stem: str, fields: dict[str, str]
) -> None:
    cost, _ = ask(large, stem, **fields)
    assert cost.read <= (GLANCED_AT if {"q", "sku"} & fields.keys() else 0) + OVERHEAD


VALUES: Final[dict[str, list[dict[str, str]]]] = {
    "q": [{"q": "quince"}, {"q": "organic"}, {"q": "organic city77"}, {"q": "name4711"}],
    "sku": [{"sku": "RARE"}, {"sku": "COMMON"}, {"sku": "SKU-3"}, {"sku": "none"}],
    "customer_id": [{"customer_id": "C-BIG"}, {"customer_id": "C-7919"}],
    "status": [{"status": "completed"}, {"status": "held"}, {"status": "refunded"}],
    "time": [
        {"to": LONG_AGO},
        {"from": "2024-06-01T00:00:00Z"},
        {"from": "2024-06-01T00:00:00Z", "to": "2024-06-02T00:00:00Z"},
    ],
    "amounts": [
        {"currency": "USD"},
        {"currency": "EUR", "min_total": "9000.00"},
        {"currency": "JPY", "min_total": "10", "max_total": "20"},
    ],
    "order": [{"order_by": "total"}],
}
"""Values of the fields of search_orders: some of most orders, some of a few, some of none."""


def combinations() -> list[dict[str, str]]:
    """Return every set of fields, each with several values of those in it."""
    chance = random.Random(3)  # noqa: S311 - the same each time
    found = []
    for count in range(len(VALUES) + 1):
        for names in itertools.combinations(VALUES, count):
            for _ in range(2):
                fields: dict[str, str] = {}
                for name in names:
                    fields |= chance.choice(VALUES[name])
                if "order" in names:
                    fields.setdefault("currency", "EUR")
                if fields not in found:
                    found.append(fields)
    return found


def test_every_combination_of_filters_reads_a_bounded_number_of_orders(
    large: ExplainingDatabase, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: Counter[str] = Counter()
    for fields in combinations():
        for cost, body in ask_pages(large, "search_orders", 2, **fields):
            seen["pages"] += 1
            seen["short pages"] += len(body["items"]) < LIMIT and body["next_cursor"] is not None
            seen["most rows read"] = max(seen["most rows read"], cost.read)
            # Of a status that most orders have, PostgreSQL rather skips the others than uses its
            # index.
            assert cost.read <= GLANCED_AT + MOST_HITS + 1 + 1.25 * MOST_WALKED + OVERHEAD, fields
            assert cost.sorted <= MOST_HITS + 1, fields
    with capsys.disabled():
        print("\nsearch_orders:", dict(seen))  # noqa: T201 - how often a page is short is of interest
    assert seen["pages"] > 300


@pytest.mark.parametrize("q", ["101", "big", "quince"])
@pytest.mark.parametrize("order_by", ["value", "orders", "last_order"])
def test_looking_for_customers_reads_a_bounded_number(
    large: ExplainingDatabase, q: str, order_by: str
) -> None:
    for cost, _ in ask_pages(large, "list_customers", 2, q=q, order_by=order_by, currency="JPY"):
        assert cost.read <= GLANCED_AT + MOST_HITS + 1 + MOST_WALKED + OVERHEAD
        assert cost.sorted <= MOST_HITS + 1


def test_sums_of_a_range_do_not_read_its_orders(large: ExplainingDatabase) -> None:
    days, skus = 700, 2100
    cost, _ = ask(large, "get_sales_by_day")
    assert cost.read <= 3 * days + OVERHEAD
    cost, body = ask(large, "get_top_products", **{"from": "2024-01-10", "to": "2025-11-20"})
    assert len(body["items"]) == LIMIT
    assert cost.grouped <= 3 * skus
    spans = 22 + 22 + 20  # whole months, and the days before and after them
    assert cost.read <= 3 * spans * skus
    for begin, end in (("2024-03-01", "2024-04-01"), ("2024-01-01", "2025-01-01"), ("", "")):
        asked = {name: day for name, day in (("from", begin), ("to", end)) if day}
        for sorted_by in ({}, {"currency": "EUR"}, {"currency": "EUR", "order_by": "revenue"}):
            cost, body = ask(large, "get_top_products", **asked, **sorted_by)
            assert len(body["items"]) == LIMIT
            assert cost.read <= 3 * LIMIT + OVERHEAD  # the best of one span are in an index
