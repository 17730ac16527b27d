"""What a question costs beside its statement, and how that grows: `make bench-queries`.

Nothing needs to run. Read sides of several sizes are made one after the other. Each question goes
by turns through its handler in this process, from API Gateway's event to the answer, and its
statement through a bare psycopg2 cursor, with the rows fetched. Times are medians in milliseconds
of warm connections. The handlers log to the standard output, this to the error stream.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from infra.contracts.functions import files_of
from ordering.read_side.query import PLANS
from ordering.runtime.postgres import Database
from tests.databases import empty_read_side, running_databases
from tests.large_read_side import ORDER, make_large

from .asked import event_with
from .measuring import parser_of, rounded, run_benchmark, say

if TYPE_CHECKING:
    from collections.abc import Mapping

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


class Times(NamedTuple):
    """Milliseconds of the handler and of its bare statement, one of each round."""

    handler: list[float]
    bare: list[float]

    def medians(self) -> dict[str, float]:
        return {name: statistics.median(times) for name, times in self._asdict().items()}


class RecordingDatabase(Database):
    """Keeps what it was asked last, to be asked again."""

    asked: tuple[str, Any] = ("", None)

    def rows_meanwhile(self, *asked: Any) -> Any:
        self.asked = asked[:2]
        return super().rows_meanwhile(*asked)


def measure(databases: Databases, rounds: int) -> dict[str, Times]:
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
        costs[what] = Times(
            *([rounded(s * 1000, 4) for s in seconds[warm:]] for seconds in (handled, bare))
        )
    session.close()
    plain.close()
    recording.close()
    return costs


def summarise(results: Mapping[int, Mapping[str, Times]]) -> dict[str, Any]:
    """Return the medians by size and question, the ratio of all, and how the sum of all grows."""
    medians = {
        size: {what: times.medians() for what, times in of_size.items()}
        for size, of_size in results.items()
    }
    least, most = min(medians), max(medians)

    def total(size: int, name: str) -> float:
        return sum(of_question[name] for of_question in medians[size].values())

    return {
        "medians_ms": medians,
        "ratio": total(most, "handler") / total(most, "bare"),
        "growth": total(most, "handler") / total(least, "handler"),
        "growth_of_each": {
            what: medians[most][what]["handler"] / medians[least][what]["handler"]
            for what in QUESTIONS
        },
    }


def show(told: Mapping[str, Any]) -> None:
    """Print both tables, as Markdown."""
    medians = told["medians_ms"]
    *_, most = medians
    say(f"| Question, of {most:,} orders | Handler, ms | Statement, ms | Ratio |")
    say("|---|--:|--:|--:|")
    for what, cost in medians[most].items():
        handler, bare = cost["handler"], cost["bare"]
        say(f"| {what} | {handler:.2f} | {bare:.2f} | {handler / bare:.2f} |")
    say(f"| all | | | {told['ratio']:.2f} |\n")
    sizes = " | ".join(f"{size:,} orders" for size in medians)
    say(f"| Question, handler | {sizes} | Growth |\n|---|{'--:|' * (len(medians) + 1)}")
    for what, growth in told["growth_of_each"].items():
        cells = " | ".join(f"{costs[what]['handler']:.2f} ms" for costs in medians.values())
        say(f"| {what} | {cells} | {growth:.2f} |")
    say(f"| all | {'| ' * len(medians)}{told['growth']:.2f} |")


def run(sizes: list[int], rounds: int) -> dict[str, Any]:
    """Run both clusters in a directory of their own, and ask."""
    results = {}
    with tempfile.TemporaryDirectory() as directory, running_databases(Path(directory)) as both:
        for size in sizes:
            with both.borrowed():
                empty_read_side(both.owner("read"))
            make_large(both.conninfo("read", "ordering_owner"), size)
            say(f"{size:,} orders")
            results[size] = measure(both, rounds)
    told = summarise(results)
    show(told)
    samples = {
        size: {what: times._asdict() for what, times in of_size.items()}
        for size, of_size in results.items()
    }
    return {"seed": None, "rounds": rounds, "summary": told, "samples": samples}


def main() -> None:
    """Measure and write the result."""
    parser = parser_of(__doc__, None)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    asked = parser.parse_args()
    run_benchmark("queries", lambda: run(asked.sizes, asked.rounds), asked.build)


if __name__ == "__main__":
    main()
