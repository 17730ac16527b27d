"""Migrations: each file once, all or none, and never changed afterwards."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import psycopg2
import pytest

from operations.migrate import ChangedMigrationError, migrate
from ordering.delivery.published import PublishedEvent
from ordering.domain.evolution import evolve
from ordering.domain.limits import text_bytes
from ordering.domain.order import Order
from ordering.domain.recorded import parse
from projectors import customer_orders, order_details
from tests.databases import MIGRATIONS
from tests.domain.vocabulary import NOW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ordering.read_side.shapes import Document
    from ordering.runtime.postgres import Database
    from tests.databases import Databases


@pytest.fixture
def database(databases: Databases) -> Iterator[Database]:
    database = databases.owner("write")
    database.rows("create schema trial")
    for_trial = databases.open("write", "ordering_owner", on_connect="set search_path = trial")
    yield for_trial
    for_trial.close()
    database.rows("drop schema trial cascade")


def write(directory: Path, **files: str) -> None:
    for name, statements in files.items():
        (directory / f"{name}.sql").write_text(statements)


def test_files_are_applied_once_in_the_order_of_their_numbers(
    database: Database, tmp_path: Path
) -> None:
    write(tmp_path, **{"0002_b": "alter table a add y int", "0001_a": "create table a (x int)"})
    assert migrate(database, tmp_path) == ["0001_a.sql", "0002_b.sql"]
    assert migrate(database, tmp_path) == []
    write(tmp_path, **{"0003_c": "alter table a add z int"})
    assert migrate(database, tmp_path) == ["0003_c.sql"]


def test_a_file_that_fails_leaves_nothing_of_any(database: Database, tmp_path: Path) -> None:
    write(tmp_path, **{"0001_a": "create table a (x int)", "0002_b": "create tabel b (x int)"})
    with pytest.raises(psycopg2.errors.SyntaxError):
        migrate(database, tmp_path)
    assert database.rows("select to_regclass('trial.a')") == [(None,)]


def test_an_applied_file_must_not_change(database: Database, tmp_path: Path) -> None:
    write(tmp_path, **{"0001_a": "create table a (x int)"})
    migrate(database, tmp_path)
    write(tmp_path, **{"0001_a": "create table a (x bigint)"})
    with pytest.raises(ChangedMigrationError, match=r"0001_a\.sql"):
        migrate(database, tmp_path)


# As they were stored when a line had one quantity and the status was all there was to say.
LINE = {
    "line_id": 1,
    "sku": "28",
    "quantity": 15,
    "unit_price": "45.60",
    "discount": "0.25",
    "tax_rate": "0.07",
    "total": "513.00",
    "tax": "35.91",
}
TOTALS = {
    "lines": "1026.00",
    "discount": "0.00",
    "tax": "71.82",
    "shipping": "29.46",
    "total": "1127.28",
}
ADDRESS = {"name": "Maria Anders", "street": "Obere Str. 57", "city": "Berlin", "country": "DE"}
STATE = {
    "customer_id": "ALFKI",
    "currency": "EUR",
    "lines": [LINE, LINE | {"line_id": 2}],
    "totals": TOTALS,
    "shipping_address": ADDRESS,
    "placed_at": "2026-11-22T12:00:00Z",
}
# What documents did not have.
NEW = {
    "balance",
    "completed_at",
    "coupon",
    "fulfilment",
    "held",
    "notes",
    "payments",
    "refunds",
    "returns",
    "shipments",
    "units",
}
EVENTS = [
    ("OrderPlaced", STATE | {"status": "placed"}),
    ("OrderConfirmed", {"customer_id": "ALFKI", "status": "confirmed"}),
    ("OrderCancelled", {"customer_id": "ALFKI", "status": "cancelled", "reason": "twice"}),
]


@pytest.mark.parametrize("length", [1, 2, 3], ids=["placed", "confirmed", "cancelled"])
def test_a_state_stored_before_lines_had_parts_becomes_the_fold_of_its_events(
    database: Database, tmp_path: Path, length: int
) -> None:
    state = STATE | {"confirmed": True} if length > 1 else STATE
    state = state | {"cancelled": True} if length > 2 else state
    write(tmp_path, **{"0001_orders": "create table orders (state jsonb)"})
    write(tmp_path, **{"0001_results": "create table command_results (x int)"})
    migrate(database, tmp_path)
    database.rows("insert into orders values (%(state)s)", {"state": json.dumps(state)})
    migration = MIGRATIONS / "write" / "0002_order_parts.sql"
    write(tmp_path, **{migration.stem: migration.read_text()})
    assert migrate(database, tmp_path) == [migration.name]
    ((stored,),) = database.rows("select state::text from orders")
    order: Order | None = None
    for event_type, data in EVENTS[:length]:
        order = evolve(order, parse(event_type, 1, data).fact)
    assert Order.model_validate_json(stored) == order


def test_notes_there_were_before_they_were_counted_are_counted_as_new_ones_are(
    database: Database, tmp_path: Path
) -> None:
    texts = ["a note", 'with "quotes" and \\', "two\nlines", "\u0001 \u00fc \N{GRINNING FACE}"]
    write(
        tmp_path,
        **{
            "0001_o": "create table orders (order_id int, state jsonb);"
            "create table order_events (order_id int, type text, data jsonb)"
        },
    )
    migrate(database, tmp_path)
    database.rows("insert into orders values (1, '{}'), (2, '{}')")
    for text in texts:
        database.rows(
            "insert into order_events values (1, 'NoteAdded', %(data)s), (1, 'OrderHeld', '{}')",
            {"data": json.dumps({"text": text})},
        )
    migration = MIGRATIONS / "write" / "0003_counted_notes.sql"
    write(tmp_path, **{migration.stem: migration.read_text()})
    assert migrate(database, tmp_path) == [migration.name]
    counted = {"note_count": len(texts), "note_bytes": text_bytes(*texts)}
    assert database.rows("select state from orders order by order_id") == [(counted,), ({},)]


@pytest.mark.parametrize("length", [1, 2], ids=["placed", "confirmed"])
def test_a_document_stored_before_lines_had_parts_becomes_the_fold_of_its_events(
    database: Database, tmp_path: Path, length: int
) -> None:
    placed, document = (folded(order_details.fold, number) for number in (1, length))
    old = {name: value for name, value in document.items() if name not in NEW}
    parts = ("ordered", "cancelled", "shipped", "lost", "delivered", "returned", "coupon_share")
    # A cancelled order kept its amounts.
    old["totals"] = placed["totals"]
    old["lines"] = [
        {name: value for name, value in line.items() if name not in parts}
        | {"quantity": line["ordered"]}
        for line in placed["lines"]
    ]
    write(tmp_path, **{"0001_d": "create table order_details (order_id uuid, document json)"})
    migrate(database, tmp_path)
    database.rows(
        "insert into order_details values (gen_random_uuid(), %(document)s)",
        {"document": json.dumps(old)},
    )
    migration = MIGRATIONS / "read" / "0002_order_parts.sql"
    write(tmp_path, **{migration.stem: migration.read_text()})
    assert migrate(database, tmp_path) == [migration.name]
    assert database.rows("select document from order_details") == [(document,)]


@pytest.mark.parametrize("length", [1, 2, 3], ids=["placed", "confirmed", "cancelled"])
def test_an_item_stored_before_cancelled_orders_cost_nothing_becomes_the_fold_of_its_events(
    database: Database, tmp_path: Path, length: int
) -> None:
    placed, item = (folded(customer_orders.fold, number) for number in (1, length))
    old = item | {name: placed[name] for name in ("total", "item_count")}
    table = "create table customer_orders (order_id uuid, status text, document json)"
    write(tmp_path, **{"0001_c": table})
    migrate(database, tmp_path)
    database.rows(
        "insert into customer_orders values (gen_random_uuid(), %(status)s, %(document)s)",
        {"status": old["status"], "document": json.dumps(old)},
    )
    migration = MIGRATIONS / "read" / "0003_cancelled_orders_cost_nothing.sql"
    write(tmp_path, **{migration.stem: migration.read_text()})
    assert migrate(database, tmp_path) == [migration.name]
    assert database.rows("select document from customer_orders") == [(item,)]


def folded(fold: Callable[[Document | None, PublishedEvent], Document], length: int) -> Document:
    """Return the document that the first events lead to."""
    document: Document | None = None
    for version, (event_type, data) in enumerate(EVENTS[:length], start=1):
        recorded = parse(event_type, 1, data)
        document = fold(
            document,
            PublishedEvent(
                "an-order", version, NOW, "operator", "c", "t", recorded.fact, recorded.after
            ),
        )
    assert document is not None
    return document
