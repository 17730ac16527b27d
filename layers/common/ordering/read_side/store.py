"""A read model's tables: one statement reads what a batch needs, one writes all or nothing.

Whoever writes says what was read: if another writer was there in between (an invocation that was
given up but still runs, the fill, a switch), nothing is written, and it is all done again.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg2
from psycopg2 import errorcodes

from ordering.runtime.postgres import DatabaseUnavailableError

from .folding import OrderRow
from .generations import NOTE_BEHIND, Generation, lock, written
from .parking import PARK, STILL_PARKED, Parked
from .positions import POSITIONS, SEEN
from .shapes import table_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ordering.runtime.postgres import Database, Row

    from .folding import ReadModel

_ATTEMPTS: Final = 5
_CONFLICTS: Final = {errorcodes.SERIALIZATION_FAILURE, errorcodes.UNDEFINED_TABLE}
"""Of a generation that was dropped meanwhile, the table is missing."""
# SQLSTATE classes of what a document's content can be refused for.
_DATA_EXCEPTION: Final = "22"
_INTEGRITY_CONSTRAINT_VIOLATION: Final = "23"

_GENERATIONS: Final = """
select 'generation', generation, null, revision, state, null::json, null::timestamptz
from generations where read_model = %(read_model)s
"""
_PARKED: Final = """
union all select 'parked', generation, order_id::text, null, null, null, null
from parked_events where read_model = %(read_model)s and order_id = any(%(order_ids)s::uuid[])
"""
_ORDERS: Final = """
union all select 'order', {number}, order_id::text, version, xmin::text, document, last_event_time
from {table} where order_id = any(%(order_ids)s::uuid[])
"""
_WRITE: Final = """
with {parts}
select checked.ok, seen.*
from (
  select require_written(%(expected)s, {count}, %(read_model)s, %(generations)s)
) as checked (ok) left join ({seen}) as seen on true
"""


_COUNTED: Final = ("inserted", "updated", "deleted")
_COUNT: Final = "(select count(*) from {part}{n})"


class ConflictError(Exception):
    """Another writer was there since it was read; nothing was written."""


class RefusedError(Exception):
    """PostgreSQL refuses a document for its content; nothing was written."""


class Also(NamedTuple):
    """What else belongs to a write: part of its WITH, parameters, how many rows there must be.

    ``rows_written`` is SQL; empty: nothing is required.
    """

    part: str
    parameters: Mapping[str, Any]
    rows_written: str = ""
    expected: int = 0


@dataclass
class Found:
    """What was read of a batch's orders."""

    generations: tuple[Generation, ...]
    """The live one first."""
    orders: dict[int, dict[str, OrderRow]]
    """By generation and order id."""
    parked: set[tuple[int, str]]
    """The generations and order ids of the orders that are parked."""


@dataclass
class Write:
    """What is to be written, by generation."""

    found: Found
    changed: dict[int, dict[str, OrderRow]] = field(default_factory=lambda: defaultdict(dict))
    parked: list[Parked] = field(default_factory=list)
    waiting: set[tuple[int, str]] = field(default_factory=set)
    """The orders, by generation, that have to be parked still: events were parked behind."""
    behind: dict[tuple[int, str], str] = field(default_factory=dict)
    """Why an order has to be folded anew in a generation."""
    positions: list[dict[str, object]] = field(default_factory=list)
    watermarks: list[dict[str, object]] = field(default_factory=list)
    also: list[Also] = field(default_factory=list)
    before: str = ""
    """A statement that comes before, in the same transaction; its parameters are of ``also``."""
    is_alone: bool = False
    """Whether no other writer may be at work meanwhile."""


class ReadModelStore:
    """Reads and writes one read model's generations.

    ``is_planned_once``: the database's connections start with ``PLANNED_ONCE``.
    """

    def __init__(
        self, database: Database, read_model: ReadModel, *, is_planned_once: bool = False
    ) -> None:
        self.database = database
        self.read_model = read_model
        self._is_planned_once = is_planned_once
        self._known: tuple[Generation, ...] = ()

    def load(self, order_ids: Iterable[str], only: int | None = None) -> Found:
        """Read the orders' rows in every generation that this code can fold, or in ``only`` one.

        One round trip, and another one when the generations have changed. None without orders:
        the generations are those that were found last, and ``write`` checks them.

        Raises:
            ConflictError: they change all the time.
            DatabaseUnavailableError: the database does not answer.
        """
        parameters = {"read_model": self.read_model.name, "order_ids": list(order_ids)}
        if self._known and not parameters["order_ids"]:
            return _found(self._known, [])
        for _ in range(_ATTEMPTS):
            known = self._known
            rows = self._rows(self._load_statement(only), parameters)
            self._known = _generations(rows) if rows is not None else ()
            if rows is not None and not self._known:
                raise DatabaseUnavailableError(f"{self.read_model.name} has no generation yet")
            if rows is not None and self._known == known:
                return _found(known, rows)
        raise ConflictError("the generations change all the time")

    def _load_statement(self, only: int | None) -> str:
        name = self.read_model.name
        orders = (
            _ORDERS.format(number=g.number, table=table_of(name, g.number))
            for g in self._known
            if g.revision in self.read_model.revisions and only in {None, g.number}
        )
        return _GENERATIONS + _PARKED + "".join(orders)

    def write(self, write: Write) -> list[Row]:
        """Write it all, in one round trip; return the rows for ``report_positions``.

        Raises:
            ConflictError: a row, a generation or a parked order is not what was read.
            RefusedError: PostgreSQL refuses a document for its content.
            DatabaseUnavailableError: the database does not answer.
        """
        name = self.read_model.name
        parts: list[str] = []
        counts = ["0"]
        parameters: dict[str, Any] = {}
        for generation in write.found.generations:
            if not (changed := write.changed.get(generation.number)):
                continue
            n, shape = generation.number, self.read_model.revisions[generation.revision].shape
            parts.append(shape.statements(name, n))
            counts += [_COUNT.format(part=part, n=n) for part in _COUNTED]
            changes = {order_id: changed[order_id].change for order_id in sorted(changed)}
            parameters[f"orders{n}"] = [_written_row(i, changed[i]) for i in changes]
            parameters |= shape.parameters(n, changes)
        expected = sum(map(len, write.changed.values()))
        if write.behind:
            parts.append(NOTE_BEHIND)
            parameters["behind"] = [
                {"generation": n, "order_id": order_id, "reason": reason}
                for (n, order_id), reason in sorted(write.behind.items())
            ]
        if write.parked:
            parts.append(PARK)
            parameters["parked"] = [parked.row() for parked in write.parked]
        if write.waiting:
            parameters["waiting"] = [{"generation": n, "order_id": i} for n, i in write.waiting]
            counts.append(STILL_PARKED)
            expected += len(write.waiting)
        if write.positions:
            parts.append(POSITIONS)
            parameters |= {"positions": write.positions, "watermarks": write.watermarks}
        parameters = {n: _in_json(n, value) for n, value in parameters.items()}
        for also in write.also:
            parts += [also.part] if also.part else []
            parameters |= also.parameters
            counts += [also.rows_written] if also.rows_written else []
            expected += also.expected
        statement = _WRITE.format(
            parts=",".join(parts or ["nothing as (select 1)"]),
            count=" + ".join(counts),
            seen=SEEN if write.positions else "select null, null, null, null",
        )
        common = {
            "read_model": name,
            "expected": expected,
            "generations": written(write.found.generations),
        }
        before = f"{lock(name, is_shared=not write.is_alone)}; {write.before};"
        rows = self._rows(statement, {**parameters, **common}, before)
        if rows is None:
            self._known = ()
            raise ConflictError(f"another writer of {name} was faster")
        return [row[1:] for row in rows if write.positions]

    def _rows(
        self, statement: str, parameters: Mapping[str, Any], before: str = ""
    ) -> list[Row] | None:
        """Return the rows, or None after a conflict with another writer.

        Raises:
            RefusedError: PostgreSQL refuses a document for its content.
            DatabaseUnavailableError: the database does not answer.
        """
        try:
            if self._is_planned_once:
                return self.database.rows_planned_once(statement, parameters, before=before)
            return self.database.rows(before + statement, parameters)
        except DatabaseUnavailableError as error:
            if getattr(error.__cause__, "pgcode", None) in _CONFLICTS:
                return None
            raise
        except UnicodeEncodeError as error:  # a text that is no Unicode
            raise RefusedError(str(error)) from error
        except psycopg2.Error as error:
            kind = (error.pgcode or "")[:2]
            if kind not in {_DATA_EXCEPTION, _INTEGRITY_CONSTRAINT_VIOLATION}:
                raise
            raise RefusedError(str(error)) from error

    def write_all(self, write: Write, refused: Callable[[int, str, Exception], None]) -> list[Row]:
        """Write it all; an order that PostgreSQL refuses for its content is found and left out.

        ``refused`` is told of the generation, the order and the error, and notes in ``write`` what
        is to become of it. Orders may be written before the rest is: that does no harm, for the
        positions are written last.

        Raises:
            ConflictError: as of ``write``.
            DatabaseUnavailableError: the database does not answer.
        """
        try:
            return self.write(write)
        except RefusedError:
            changed = [(n, i, row) for n, rows in write.changed.items() for i, row in rows.items()]
            write.changed.clear()
            self._write_apart(write, changed, refused)
        return self.write(write)

    def _write_apart(
        self,
        write: Write,
        changed: list[tuple[int, str, OrderRow]],
        refused: Callable[[int, str, Exception], None],
    ) -> None:
        part = Write(write.found)
        for number, order_id, row in changed:
            part.changed[number][order_id] = row
        try:
            self.write(part)
        except RefusedError as error:
            if len(changed) == 1:
                (number, order_id, _) = changed[0]
                refused(number, order_id, error)
                return
            middle = len(changed) // 2
            self._write_apart(write, changed[:middle], refused)
            self._write_apart(write, changed[middle:], refused)


def _generations(rows: Iterable[Row]) -> tuple[Generation, ...]:
    found = [
        Generation(number, revision, state)
        for kind, number, _, revision, state, *_ in rows
        if kind == "generation"
    ]
    return tuple(sorted(found, key=lambda g: (not g.is_live, g.number)))


def _found(generations: tuple[Generation, ...], rows: Iterable[Row]) -> Found:
    found = Found(generations, {g.number: {} for g in generations}, set())
    for kind, number, order_id, version, stamp, document, time in rows:
        if kind == "order":
            row = OrderRow(version, stamp, document, time, document)
            found.orders[number][order_id] = row
        elif kind == "parked":
            found.parked.add((number, order_id))
    return found


def _written_row(order_id: str, row: OrderRow) -> dict[str, object]:
    is_gone = row.document is None
    return {
        "order_id": order_id,
        "version": None if is_gone else row.version,
        "stamp": row.stamp,
        "document": row.document,
        "last_event_time": row.last_event_time and row.last_event_time.isoformat(),
    }


def _in_json(name: str, value: Any) -> Any:  # noqa: ANN401 - any parameter
    return value if name.startswith("replaced") else json.dumps(value, ensure_ascii=False)
