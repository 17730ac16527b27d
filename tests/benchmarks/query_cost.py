"""What a question costs beside its statement, and how that grows: `make bench-queries`.

Nothing needs to run. Read sides of several sizes are made one after the other. Each question goes
by turns through its handler in this process, from API Gateway's event to the answer, and its
statement through a bare psycopg2 cursor, with the rows fetched. Times are medians in milliseconds
of warm connections. The handlers log to the standard output, this to the error stream.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from infra.contracts.functions import files_of
from ordering.read_side.query import PLANS
from ordering.runtime.postgres import Database
from tests.benchmarks.asked import event_with
from tests.databases import empty_read_side, running_databases
from tests.large_read_side import ORDER, make_large

if TYPE_CHECKING:
    from tests.databases import Databases

SIZES: Final = (2_000, 20_000, 200_000)
QUESTIONS: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "an order": ("get_order", {"order_id": ORDER}),
    "its history": ("get_order_history", {"order_id": ORDER}),
    "a customer's orders, 20 of many": ("list_customer_orders", {"customer_id": "C-BIG"}),
    "a customer's summary": ("get_customer_summary", {"customer_id": "C-BIG"}),
    "customers by value": ("list_customers", {"order_by": "value", "currency": "EUR"}),
    "customers by a part of the id": ("list_customers", {"q": "big"}),
    "orders, newest first": ("search_orders", {}),
    "orders, 100 of them": ("search_orders", {"limit": "100"}),
    "orders by a word that few have": ("search_orders", {"q": "quince"}),
    "orders by a name": ("search_orders", {"q": "ann name77"}),
    "orders by a word that all have": ("search_orders", {"q": "organic"}),
    "orders by SKU": ("search_orders", {"sku": "SKU-3"}),
    "held orders": ("search_orders", {"status": "held"}),
    "orders by total, of a status": (
        "search_orders",
        {"order_by": "total", "currency": "EUR", "status": "completed"},
    ),
    "the work queue's stages": ("get_work_queue", {}),
    "the orders of a stage": ("get_work_queue", {"stage": "to_return"}),
    "sales of a month": ("get_sales_by_day", {"from": "2024-01-01", "to": "2024-02-01"}),
    "sales of all days": ("get_sales_by_day", {}),
    "top products of a month": ("get_top_products", {"from": "2024-01-01", "to": "2024-02-01"}),
    "top products of all days": ("get_top_products", {}),
    "the read models": ("get_read_models", {}),
}


class Cost(NamedTuple):
    """Milliseconds of the handler and of its bare statement."""

    handler: float
    bare: float


class RecordingDatabase(Database):
    """Keeps what it was asked last, to be asked again."""

    asked: tuple[str, Any] = ("", None)

    def rows_meanwhile(self, *asked: Any) -> Any:
        self.asked = asked[:2]
        return super().rows_meanwhile(*asked)


def measure(databases: Databases, rounds: int) -> dict[str, Cost]:
    """Ask every question so many times each way."""
    handlers = {file.stem: file.handler for file in files_of("queries")}
    conninfo = databases.conninfo("read", "ordering_query")
    recording = RecordingDatabase(conninfo, "none", "benchmark", on_connect=PLANS)
    plain = Database(conninfo, "none", "benchmark", on_connect=PLANS)
    session = plain.session()
    session.autocommit = True
    costs = {}
    for what, (stem, asked) in QUESTIONS.items():
        event = event_with(stem, asked)
        answer = handlers[stem].using(recording)(event, None)
        if answer["statusCode"] != 200:
            raise RuntimeError(f"{what}: {answer}")
        statement, parameters = recording.asked
        handler = handlers[stem].using(plain)
        handled, bare = [], []
        with session.cursor() as cursor:
            for number in range(rounds + rounds // 10):
                for is_bare in (number % 2 == 0, number % 2 == 1):
                    started = time.perf_counter()
                    if is_bare:
                        cursor.execute(statement, parameters)
                        cursor.fetchall()
                        bare.append(time.perf_counter() - started)
                    else:
                        handler(event, None)
                        handled.append(time.perf_counter() - started)
        warm = rounds // 10
        medians = (statistics.median(seconds[warm:]) * 1000 for seconds in (handled, bare))
        costs[what] = Cost(*medians)
    session.close()
    plain.close()
    recording.close()
    return costs


def show(results: dict[int, dict[str, Cost]]) -> None:
    """Print both tables, as Markdown."""
    write = sys.stderr.write
    least, *_, most = results
    write(f"| Question, of {most:,} orders | Handler, ms | Statement, ms | Ratio |\n")
    write("|---|--:|--:|--:|\n")
    for what, (handler, bare) in results[most].items():
        write(f"| {what} | {handler:.2f} | {bare:.2f} | {handler / bare:.2f} |\n")
    handled, bare = (sum(c[i] for c in results[most].values()) for i in (0, 1))
    write(f"| all | {handled:.2f} | {bare:.2f} | {handled / bare:.2f} |\n\n")
    sizes = " | ".join(f"{size:,} orders" for size in results)
    write(f"| Question, handler | {sizes} |\n|---|{'--:|' * len(results)}\n")
    for what in QUESTIONS:
        first = results[least][what].handler
        cells = " | ".join(
            f"{costs[what].handler:.2f} ms ({costs[what].handler / first:.1f})"
            for costs in results.values()
        )
        write(f"| {what} | {cells} |\n")


def main() -> None:
    """Run both clusters in a directory of their own, and ask."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    options = parser.parse_args()
    results = {}
    with tempfile.TemporaryDirectory() as directory, running_databases(Path(directory)) as both:
        for size in options.sizes:
            with both.borrowed():
                empty_read_side(both.owner("read"))
            make_large(both.conninfo("read", "ordering_owner"), size)
            results[size] = measure(both, options.rounds)
    show(results)


if __name__ == "__main__":
    main()
