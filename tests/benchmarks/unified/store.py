"""The unified model for commands: what ``ordering.command_side.store`` is for the write side.

It takes the place of that module in a process that serves the unified model: the command handlers
and their loop stay as they are. An order is loaded and written in one statement each, as there.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from psycopg2 import errors as postgres_errors

from ordering.command_side.store import (
    EventTooLargeError,
    KeyInUseError,
    KeyReusedError,
    Loaded,
    Remembered,
)
from ordering.domain.evolution import evolve
from ordering.domain.order import Order
from ordering.runtime.postgres import DatabaseUnavailableError

from .order_sql import STATE
from .rows import Rows, moments, order_row, rows_of
from .tables import KEYS, TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ordering.domain.recorded import Recorded
    from ordering.runtime.postgres import Database, ResultT

__all__ = [
    "EventTooLargeError",
    "KeyInUseError",
    "KeyReusedError",
    "Loaded",
    "append",
    "load",
]

LOAD: Final = f"""
select o.version, {STATE}::text, r.request_hash, r.answer::text
from (values (%(order_id)s::uuid)) as asked (order_id)
left join orders as o using (order_id)
left join command_results as r
  on r.principal = %(principal)s and r.idempotency_key = %(idempotency_key)s
"""

_DELETED: Final = {
    "removed_lines": "delete from order_lines as t using changed, jsonb_populate_recordset("
    "null::order_lines, %(removed_lines)s) as d"
    " where t.order_id = changed.order_id and t.line_id = d.line_id",
    "ended_tasks": "delete from order_tasks as t using changed, jsonb_populate_recordset("
    "null::order_tasks, %(ended_tasks)s) as d"
    " where t.order_id = changed.order_id and t.stage = d.stage",
}
_ADDRESSES: Final = ("shipping_address", "billing_address")
_NEW_PRODUCTS: Final = (
    "insert into products (sku, name) select distinct on (sku) sku, name"
    " from changed, jsonb_populate_recordset(null::order_lines, %(order_lines)s)"
    " on conflict do nothing"
)
_REMEMBERED: Final = (
    "insert into command_results (principal, idempotency_key, request_hash, answer)"
    " select %(principal)s, %(idempotency_key)s, %(request_hash)s, %(answer)s from changed"
)

_loaded: dict[str, Order] = {}
"""The order that was loaded last, as it was before the command; a process has one at a time."""


def load(
    database: Database,
    order_id: str | None,
    principal: str,
    idempotency_key: str | None,
    meanwhile: Callable[[], ResultT],
) -> tuple[Loaded, ResultT]:
    """Read the order's state and the remembered answer in one round trip."""
    ((version, state, request_hash, answer),), result = database.rows_meanwhile(
        LOAD,
        {"order_id": order_id, "principal": principal, "idempotency_key": idempotency_key},
        meanwhile,
    )
    order = None
    _loaded.clear()
    if version is not None and order_id is not None:
        order = _loaded[order_id] = Order.model_validate_json(state, extra="ignore")
    return Loaded(
        order=order,
        version=version or 0,
        remembered=None if answer is None else Remembered(bytes(request_hash), answer),
    ), result


def append(
    database: Database,
    *,
    order_id: str,
    read_version: int,
    order: Order,
    events: Sequence[Recorded],
    metadata: Mapping[str, str | None],
    principal: str,
    idempotency_key: str | None,
    request_hash: bytes,
    answer: str,
    meanwhile: Callable[[], ResultT],
) -> ResultT | None:
    """Write what the events change and the remembered answer in one statement; see the original."""
    at = datetime.now(UTC)
    before = _loaded.get(order_id) if read_version else None
    columns, rows = _changed(
        order_id, before, order, events, read_version=read_version, at=at, metadata=metadata
    )
    parameters: dict[str, Any] = {
        **columns,
        **{table: json.dumps(those) for table, those in rows.items()},
        "order_id": order_id,
        "version": read_version + len(events),
        "read_version": read_version,
        "principal": principal,
        "idempotency_key": idempotency_key,
        "request_hash": request_hash,
        "answer": answer,
    }
    statement = append_statement(
        columns, rows, is_new=not read_version, is_remembered=idempotency_key is not None
    )
    try:
        written, result = database.rows_meanwhile(statement, parameters, meanwhile)
    except postgres_errors.UniqueViolation as error:
        if error.diag.table_name == "command_results":
            raise KeyReusedError from error
        return None
    except DatabaseUnavailableError as error:
        if idempotency_key and isinstance(error.__cause__, postgres_errors.LockNotAvailable):
            raise KeyInUseError from error
        raise
    return result if written else None


def append_statement(
    columns: Iterable[str], rows: Iterable[str], *, is_new: bool, is_remembered: bool
) -> str:
    """Return the statement that writes these columns of the order and rows of these tables."""
    values = {name: _value(name) for name in columns}
    parts = []
    if is_new:
        parts.append(
            "customer as (insert into customers values (%(customer_id)s) on conflict do nothing)"
        )
        parts.append(
            f"changed as (insert into orders (version, {', '.join(values)})"
            f" values (%(version)s, {', '.join(values.values())})"
            " returning order_id, version)"
        )
    elif values:
        changes = ", ".join(f"{name} = {value}" for name, value in values.items())
        parts.append(
            f"changed as (update orders set version = %(version)s, {changes}"
            " where order_id = %(order_id)s and version = %(read_version)s"
            " returning order_id, version)"
        )
    else:
        parts.append(
            "changed as (select order_id, version from orders"
            " where order_id = %(order_id)s and version = %(read_version)s)"
        )
    if "order_lines" in rows:
        parts.append(f"new_products as ({_NEW_PRODUCTS})")
    for table in rows:
        if table in _DELETED:
            parts.append(f"{table} as ({_DELETED[table]})")
        else:
            names, where_there = TABLES[table]
            written = ", ".join(f"r.{name}" for name in names.split(", "))
            parts.append(
                f"new_{table} as (insert into {table} ({names}) select {written} from changed,"
                f" jsonb_populate_recordset(null::{table}, %({table})s) as r{where_there})"
            )
    if is_remembered:
        parts.append(f"remembered as ({_REMEMBERED})")
    return f"with {', '.join(parts)} select version from changed"


def _value(name: str) -> str:
    if name in _ADDRESSES:
        return f"jsonb_populate_record(null::address, %({name})s)"
    return f"%({name})s"


def _changed(
    order_id: str,
    before: Order | None,
    order: Order,
    events: Sequence[Recorded],
    *,
    read_version: int,
    at: datetime,
    metadata: Mapping[str, str | None],
) -> tuple[dict[str, Any], Rows]:
    """Return the columns of the order that change, and the rows of the other tables."""
    known = order_row(order_id, before) if before else {}
    columns = {
        n: v for n, v in order_row(order_id, order).items() if n not in known or known[n] != v
    }
    rows: Rows = {}
    for number, recorded in enumerate(events, start=1):
        # One event is what nearly all commands have.
        now = order if len(events) == 1 else evolve(before, recorded.fact)
        columns |= moments(before, recorded, now, at)
        of_event = rows_of(
            before,
            recorded,
            now,
            order_id=order_id,
            version=read_version + number,
            at=at,
            actor=metadata["actor"] or "",
        )
        for table, those in of_event.items():
            rows[table] = _merged(table, rows.get(table, []), those)
        before = now
    for name in _ADDRESSES:
        if columns.get(name) is not None:
            columns[name] = json.dumps(columns[name])
    return columns, rows


def _merged(
    table: str, known: list[dict[str, Any]], more: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return both: a part that two events of one command change is written once."""
    if table not in KEYS or not known:
        return known + more
    key = KEYS[table]
    return [*({row[key]: row for row in [*known, *more]}.values())]
