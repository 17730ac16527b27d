"""What a command costs beside its statements: `make bench-commands`, which needs nothing running.

Orders go through their lives in pairs: of one, each command through its handler in this process; of
the other, through a bare psycopg2 cursor, the statements that the handler sent in a first life.
Which of the two is first changes by turns. Both wait for durable commits. Times are medians in
milliseconds, of a handler from API Gateway's event to the answer. The handlers log to the standard
output, this to the error stream.
"""

from __future__ import annotations

import importlib
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

from .measuring import parser_of, run_benchmark, say, spread, summary

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


def summarise(race: Race) -> dict[str, Any]:
    """Return each command's times in milliseconds, and the ratio of all."""
    told: dict[str, Any] = {"commands": {}}
    medians = {"handler": 0.0, "bare": 0.0}
    for stem in HANDLERS:
        sides = {"handler": race.handled[stem], "bare": race.bare[stem]}
        figures = {side: summary([s * 1000 for s in seconds]) for side, seconds in sides.items()}
        told["commands"][stem] = {"trips": len(race.statements[stem]), **figures}
        medians = {side: medians[side] + figures[side]["p50"] for side in medians}
    lives = zip(*race.handled.values(), strict=True), zip(*race.bare.values(), strict=True)
    told["ratio"] = spread(sum(a) / sum(b) for a, b in zip(*lives, strict=True))
    told["ratio_of_medians"] = medians["handler"] / medians["bare"]
    return told


def show(told: Mapping[str, Any]) -> None:
    """Print the table to the standard error stream."""
    say(f"{'command':24}{'trips':>6}{'handler':>9}{'bare':>9}{'own':>9}{'ratio':>7}")
    for stem, figures in told["commands"].items():
        handled, bare = (figures[side]["p50"] for side in ("handler", "bare"))
        say(
            f"{stem:24}{figures['trips']:6}{handled:9.2f}{bare:9.2f}"
            f"{handled - bare:9.2f}{handled / bare:7.2f}"
        )
    say(f"ratio of all, by the medians: {told['ratio_of_medians']:.2f}")


def run(lives: int) -> dict[str, Any]:
    """Run both clusters in a directory of their own, and the race on the write side."""
    with tempfile.TemporaryDirectory() as directory, running_databases(Path(directory)) as both:
        race = Race(both.conninfo("write", "ordering_command"))
        for _ in range(1 + lives // 10):
            race.live()
        race.handled.clear()
        race.bare.clear()
        for _ in range(lives):
            race.live()
    told = summarise(race)
    show(told)
    samples = {"handler": race.handled, "bare": race.bare}
    return {"seed": None, "lives": lives, "summary": told, "samples": samples}


def main() -> None:
    """Measure and write the result."""
    parser = parser_of(__doc__, None)
    parser.add_argument("--lives", type=int, default=300)
    asked = parser.parse_args()
    run_benchmark("commands", lambda: run(asked.lives), asked.build)


if __name__ == "__main__":
    main()
