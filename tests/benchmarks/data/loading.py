"""Loads lives into both models: the log and the orders' states here, the normalised tables there.

Both are loaded by COPY in the form that commands would have left; the read models are filled from
the log by the functions that fill them. Indexes are made after the rows.
"""

from __future__ import annotations

import io
import json
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg2

from ordering.read_side.filling import Filler
from ordering.read_side.log import EventLog
from ordering.read_side.operation import read_model_named
from ordering.read_side.store import ReadModelStore
from ordering.runtime.postgres import Database
from tests.benchmarks.unified.rows import Rows, moments, order_row, rows_of
from tests.benchmarks.unified.tables import KEYS, TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .lives import Life

_AT_ONCE: Final = 1000
"""So many orders are sent in one COPY per table."""
_ORDERS: Final = "order_id, version, customer_id, status, state, created_at, updated_at"
_EVENTS: Final = "order_id, version, type, schema_version, data, metadata, recorded_at"
_HEADER: Final = (
    "order_id, version, customer_id, currency, reference, status, placed_at, updated_at,"
    " confirmed_at, completed_at, cancelled_at, cancellation_reason, held_since, hold_reason,"
    " fulfilment_started_at, warehouse, coupon_code, coupon_percent_off, coupon_amount_off,"
    " shipping_fee, last_line_id, lines_total, discount, tax, shipping, total, shipping_address,"
    " billing_address"
)
_ADDRESS: Final = ("name", "street", "city", "region", "postal_code", "country")


class Counts(NamedTuple):
    """How much was loaded."""

    orders: int
    events: int


class _Copies:
    """Rows that wait to be copied, by table."""

    def __init__(self) -> None:
        self._files: dict[tuple[str, str], io.StringIO] = {}

    def add(self, table: str, columns: str, values: Iterable[Any]) -> None:
        file = self._files.setdefault((table, columns), io.StringIO())
        file.write("\t".join(map(_copied, values)) + "\n")

    def send(self, cursor: psycopg2.extensions.cursor) -> None:
        for (table, columns), file in self._files.items():
            file.seek(0)
            cursor.copy_expert(f"copy {table} ({columns}) from stdin", file)
        self._files.clear()


def load_lives(lives: Iterable[Life], *, write: str, unified: str) -> Counts:
    """Load them into the write side and the unified model; both are connected to as given.

    ``unified`` signs in a superuser: foreign keys, which hold by construction, are not checked.
    """
    orders = events = 0
    with closing(psycopg2.connect(write)) as ours, closing(psycopg2.connect(unified)) as theirs:
        our_rows, their_rows = _Copies(), _Copies()
        with ours.cursor() as our_cursor, theirs.cursor() as their_cursor:
            for cursor in (our_cursor, their_cursor):
                cursor.execute("set synchronous_commit = off; set statement_timeout = 0")
            their_cursor.execute("set session_replication_role = replica")
            for life in lives:
                if not life.happened:
                    continue
                _add_ours(our_rows, life)
                _add_theirs(their_rows, life)
                orders += 1
                events += len(life.happened)
                if orders % _AT_ONCE == 0:
                    our_rows.send(our_cursor)
                    their_rows.send(their_cursor)
                    ours.commit()
                    theirs.commit()
            our_rows.send(our_cursor)
            their_rows.send(their_cursor)
        ours.commit()
        theirs.commit()
    return Counts(orders, events)


def load_events(lives: Iterable[Life], write: str) -> int:
    """Load them into the write side alone; return the number of events."""
    rows, events = _Copies(), 0
    with closing(psycopg2.connect(write)) as connection:
        with connection.cursor() as cursor:
            for life in lives:
                _add_ours(rows, life)
                events += len(life.happened)
            rows.send(cursor)
        connection.commit()
    return events


def _add_ours(rows: _Copies, life: Life) -> None:
    last = life.happened[-1]
    order = last.now
    rows.add(
        "orders",
        _ORDERS,
        [
            life.order_id,
            len(life.happened),
            order.customer_id,
            last.recorded.after.status,
            order.model_dump_json(exclude_defaults=True),
            life.happened[0].at.isoformat(),
            last.at.isoformat(),
        ],
    )
    for version, event in enumerate(life.happened, start=1):
        fact = event.recorded.fact
        metadata = {
            "actor": event.actor,
            "correlation_id": f"{life.order_id}-{version}",
            "causation_id": f"{life.order_id}-{version}",
            "traceparent": None,
        }
        rows.add(
            "order_events",
            _EVENTS,
            [
                life.order_id,
                version,
                type(fact).__name__,
                fact.schema_version,
                event.recorded.data(),
                json.dumps(metadata),
                event.at.isoformat(),
            ],
        )


def _add_theirs(rows: _Copies, life: Life) -> None:
    header: dict[str, Any] = {}
    merged: dict[str, dict[Any, dict[str, Any]]] = {}
    for version, event in enumerate(life.happened, start=1):
        header |= moments(event.before, event.recorded, event.now, event.at)
        of_event = rows_of(
            event.before,
            event.recorded,
            event.now,
            order_id=life.order_id,
            version=version,
            at=event.at,
            actor=event.actor,
        )
        _merge(merged, of_event)
    header |= order_row(life.order_id, life.happened[-1].now) | {"version": len(life.happened)}
    rows.add("orders", _HEADER, [header.get(name) for name in _HEADER.split(", ")])
    for table, those in merged.items():
        columns, _ = TABLES[table]
        for row in those.values():
            rows.add(table, columns, [row.get(name) for name in columns.split(", ")])


def _merge(merged: dict[str, dict[Any, dict[str, Any]]], rows: Rows) -> None:
    """Put the rows of one more event over those of the events before."""
    for ended in rows.pop("ended_tasks", ()):
        del merged["order_tasks"][ended["stage"]]
    for table, those in rows.items():
        known = merged.setdefault(table, {})
        key = KEYS.get(table) or ("stage" if table == "order_tasks" else "")
        for row in those:
            # Of other tables no row is changed later.
            part = row[key] if key else len(known)
            known[part] = known.get(part, {}) | row


_ESCAPED: Final = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def _copied(value: Any) -> str:
    if value is None:
        return r"\N"
    if isinstance(value, dict):
        value = _composite(value) if value.keys() == set(_ADDRESS) else json.dumps(value)
    return str(value).translate(_ESCAPED)


def _composite(address: Mapping[str, str | None]) -> str:
    """Write an address as PostgreSQL's composite type."""
    return f"({','.join(_quoted(address[name]) for name in _ADDRESS)})"


def _quoted(text: str | None) -> str:
    if text is None:
        return ""
    return '"' + text.replace("\\", "\\\\").replace('"', '""') + '"'


def fill_read_model(name: str, *, write: str, read: str) -> None:
    """Fill a read model's first generation from the log, as a rebuild does, without a limit."""
    log, store = Database(write, "none", "benchmark"), Database(read, "none", "benchmark")
    try:
        filler = Filler(EventLog(log), ReadModelStore(store, read_model_named(name)), 1)
        while not filler.run(float("inf")).is_ready:
            pass
        store.rows("select switch_generation(%(name)s, 1)", {"name": name})
    finally:
        log.close()
        store.close()


def drop_indexes(conninfo: str) -> list[str]:
    """Drop the indexes that no constraint needs; return the statements that make them again."""
    with (
        closing(psycopg2.connect(conninfo)) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "select i.indexname, i.indexdef from pg_indexes as i where i.schemaname = 'public'"
            " and not exists (select from pg_constraint as c where c.conname = i.indexname)"
        )
        found = cursor.fetchall()
        for name, _ in found:
            cursor.execute(f"drop index {name}")
    return [definition for _, definition in found]


def run_statements(conninfo: str, statements: Iterable[str]) -> None:
    """Carry them out, each by itself and however long it takes."""
    with closing(psycopg2.connect(conninfo)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("set statement_timeout = 0; set maintenance_work_mem = '256MB'")
            for statement in statements:
                cursor.execute(statement)


UNFILLED: Final = """
update generations
set state = 'building', filled_at = null, filled_to = null, events_per_second = 1000000
"""
"""The first generation of each read model is to be filled from the log."""
GRANTS: Final = """
grant select, insert, update, delete on all tables in schema public to ordering_command;
grant select on all tables in schema public to ordering_query;
"""
REFERENCES: Final = (
    "insert into customers select distinct customer_id from orders",
    "insert into products select sku, min(name) from order_lines group by sku",
)
"""Statements that fill the tables that are referred to, of what the others have."""
CLEAN: Final = ("vacuum (analyze, freeze)", "checkpoint")
