"""What a command costs beside its statements: `make bench-commands`, which needs nothing running.

Orders go through their lives in pairs: of one, each command through its handler in this process; of
the other, through a bare psycopg2 cursor, the statements that the handler sent in a first life.
Which of the two is first changes by turns. Both wait for durable commits. Times are medians in
milliseconds, of a handler from API Gateway's event to the answer. The handlers log to the standard
output, this to the error stream.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ordering.runtime.ids import uuid7
from ordering.runtime.postgres import Database
from tests.databases import running_databases
from tests.integration.requests import body_of, request
from tests.shared import an_order

if TYPE_CHECKING:
    from collections.abc import Mapping


def _money(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "EUR"}


LIFE: Final[list[tuple[str, dict[str, str], object]]] = [
    (
        "place_order",
        {},
        an_order(
            lines=[{"sku": str(n), "quantity": 2, "unit_price": _money("9.99")} for n in "abc"]
        ),
    ),
    ("add_order_line", {}, {"sku": "d", "quantity": 1, "unit_price": _money("40.06")}),
    ("change_line_quantity", {"line_id": "1"}, {"quantity": 5}),
    ("apply_coupon", {}, {"code": "TEN", "percent_off": "10"}),
    ("confirm_order", {}, None),
    ("authorize_payment", {}, {"payment_id": "p", "method": "card", "amount": _money("116.97")}),
    ("capture_payment", {"payment_id": "p"}, None),
    ("start_fulfilment", {}, {"warehouse": "W"}),
    (
        "ship_items",
        {},
        {
            "shipment_id": "s",
            "carrier": "DHL",
            "items": [{"line_id": n, "quantity": 1} for n in (1, 2, 3, 4)],
        },
    ),
    ("deliver_shipment", {"shipment_id": "s"}, {"signed_by": "M"}),
    ("add_note", {}, {"text": "Thank you."}),
]
HANDLERS: Final = {stem: importlib.import_module(f"commands.{stem}").handler for stem, _, _ in LIFE}


class RecordingDatabase(Database):
    """Keeps what it was asked, to be asked again."""

    def __init__(self, conninfo: str) -> None:
        super().__init__(conninfo, "none", "benchmark")
        self.statements: list[tuple[str, Mapping[str, Any]]] = []

    def rows_meanwhile(self, *asked: Any) -> Any:
        self.statements.append(asked[:2])
        return super().rows_meanwhile(*asked)


class Race:
    """Handlers and bare statements side by side; seconds by command."""

    def __init__(self, conninfo: str) -> None:
        self.handled: dict[str, list[float]] = defaultdict(list)
        self.bare: dict[str, list[float]] = defaultdict(list)
        self.statements: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
        self._lives = 0
        self._order: dict[str, str] = {}
        self._record(RecordingDatabase(conninfo))
        self._use(Database(conninfo, "none", "benchmark"))
        bare = Database(conninfo, "none", "benchmark").session()
        bare.autocommit = True
        self._cursor = bare.cursor()

    def live(self) -> None:
        """Send an order through its life, and a twin through the statements of the first life."""
        self._lives += 1
        self._order = {}
        twin = {"order_id": str(uuid7())}
        for step in LIFE:
            bare_first = self._lives % 2 == 0
            if bare_first:
                self._repeat(step[0], twin)
            self._handle(*step)
            if not bare_first:
                self._repeat(step[0], twin)

    def _record(self, database: RecordingDatabase) -> None:
        self._use(database)
        for step in LIFE:
            database.statements = []
            self._handle(*step)
            self.statements[step[0]] = database.statements

    def _use(self, database: Database) -> None:
        self._handlers = {stem: handler.using(database) for stem, handler in HANDLERS.items()}

    def _handle(self, stem: str, path: dict[str, str], body: object) -> None:
        event = request(body, path=path | self._order, idempotency_key=f"{self._lives}-{stem}")
        started = time.perf_counter()
        response = self._handlers[stem](event, None)
        self.handled[stem].append(time.perf_counter() - started)
        if response["statusCode"] not in {200, 201}:
            raise RuntimeError(f"{stem}: {response}")
        self._order = {"order_id": body_of(response)["order_id"]}

    def _repeat(self, stem: str, twin: dict[str, str]) -> None:
        changes = twin | {"idempotency_key": f"twin-{self._lives}-{stem}"}
        statements = [(sql, {**values, **changes}) for sql, values in self.statements[stem]]
        started = time.perf_counter()
        for sql, values in statements:
            self._cursor.execute(sql, values)
            self._cursor.fetchall()
        self.bare[stem].append(time.perf_counter() - started)


def show(race: Race) -> None:
    """Print the table to the standard error stream."""
    write = sys.stderr.write
    write(f"{'command':24}{'trips':>6}{'handler':>9}{'bare':>9}{'own':>9}{'ratio':>7}\n")
    totals = [0.0, 0.0]
    for stem in HANDLERS:
        pair = [statistics.median(seconds[stem]) * 1000 for seconds in (race.handled, race.bare)]
        totals = [total + each for total, each in zip(totals, pair, strict=True)]
        handled, bare = pair
        write(f"{stem:24}{len(race.statements[stem]):6}{handled:9.2f}{bare:9.2f}")
        write(f"{handled - bare:9.2f}{handled / bare:7.2f}\n")
    handled, bare = totals
    write(f"{'all':30}{handled:9.2f}{bare:9.2f}{handled - bare:9.2f}{handled / bare:7.2f}\n")


def main() -> None:
    """Run both clusters in a directory of their own, and the race on the write side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lives", type=int, default=300)
    lives = parser.parse_args().lives
    with tempfile.TemporaryDirectory() as directory, running_databases(Path(directory)) as both:
        race = Race(both.conninfo("write", "ordering_command"))
        for _ in range(1 + lives // 10):
            race.live()
        race.handled.clear()
        race.bare.clear()
        for _ in range(lives):
            race.live()
    show(race)


if __name__ == "__main__":
    main()
