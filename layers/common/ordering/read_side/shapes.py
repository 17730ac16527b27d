"""What is kept of the document that a read model's fold makes of an order's events.

A projector declares its read model's shape; the tables' columns and the statements follow from it.
Whatever the shape, a generation has one table with a row per order, which has the version applied.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final

from .shape_statements import ORDERS_WRITTEN, ROWS_WRITTEN, SUMS_MOVED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Document = dict[str, Any]

NEEDED_COLUMNS: Final = {
    "order_id": "uuid",
    "version": "int",
    "customer_id": "text",
    "document": "json",
    "last_event_time": "timestamptz",
}
"""The columns of every read model's table, with their types: the loops read and write them."""
ROWS: Final = "rows"
"""In a document: the rows that its last event added or replaced, by their key; None: removed."""
SHARE: Final = "share"
"""In a document: the order's part of the sums, a list of objects with the keys and measures."""


@dataclass(frozen=True)
class Change:
    """What becomes of an order's row: from the document that was read to another.

    ``document`` None: the row goes. ``replaces``: what was kept before counts no more, the rows
    of several included.
    """

    before: Document | None
    document: Document | None
    rows: Mapping[Any, Document | None] = field(default_factory=dict)
    replaces: bool = False


class Shape(ABC):
    """What every shape has: the table with a row per order, and the columns taken from it."""

    parts: ClassVar[tuple[str, ...]] = ()
    """The tables besides that of the orders, by what follows the read model's name."""
    columns: Mapping[str, str]

    @property
    def several_rows(self) -> SeveralRows | None:
        """The rows that there are of each order, if there are several."""
        return None

    @property
    def added_up(self) -> Sums | None:
        """The sums over orders, if there are any."""
        return None

    @property
    def table_columns(self) -> Mapping[str, Mapping[str, str]]:
        """The columns, with their types, that the tables need; the orders' table is ``""``."""
        return {"": {**NEEDED_COLUMNS, **self.columns}}

    def stored(self, document: Document) -> Document:
        """Return what is kept of a document in the order's row."""
        return document

    def statements(self, read_model: str, generation: int) -> str:
        """Return the parts of a WITH that write one generation.

        Theirs are the parameters of ``parameters``. A row is written only if it still is the one
        that was read (its ``stamp``); ``inserted<n>``, ``updated<n>`` and ``deleted<n>`` have a row
        for each that was.
        """
        columns = {"customer_id": "text", **self.columns}
        return ORDERS_WRITTEN.format(
            n=generation,
            table=table_of(read_model, generation),
            columns=", ".join(columns),
            values=", ".join(_taken("r.document", columns)),
        ) + "".join(f",{part}" for part in self.more_statements(read_model, generation))

    def more_statements(self, read_model: str, generation: int) -> list[str]:
        """Return the parts of the WITH that write what there is besides the orders' rows."""
        del read_model, generation
        return []

    @abstractmethod
    def parameters(self, generation: int, changes: Mapping[str, Change]) -> dict[str, Any]:
        """Return the parameters of what the shape has besides the orders' rows, not yet as JSON."""


@dataclass(frozen=True)
class OneRow(Shape):
    """One row per order: the document as it is sent, and columns that queries select by.

    ``columns`` are the types of those columns by name; each is the document's field of that name.
    ``customer_id`` is always one.
    """

    columns: Mapping[str, str] = field(default_factory=dict)

    def parameters(self, generation: int, changes: Mapping[str, Change]) -> dict[str, Any]:
        """Return none: there is nothing besides."""
        del generation, changes
        return {}


@dataclass(frozen=True)
class SeveralRows(Shape):
    """Several rows per order, each a document as it is sent, in the table ``<read model>_rows``.

    The fold's document has, under ``rows``, those that the event added or replaced, by their key;
    the rest of it is kept in the order's row, for the next event. ``key`` is the column of the key
    with its type; ``row_columns`` are taken from a row's document as ``columns`` from the order's.
    """

    parts: ClassVar = ("rows",)
    key: str
    key_type: str
    row_columns: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def several_rows(self) -> SeveralRows:
        """These."""
        return self

    @property
    def table_columns(self) -> Mapping[str, Mapping[str, str]]:
        """The columns, with their types, that the tables need; the orders' table is ``""``."""
        rows = {"order_id": "uuid", self.key: self.key_type, "document": "json"}
        return {**super().table_columns, "rows": rows | dict(self.row_columns)}

    def stored(self, document: Document) -> Document:
        """Return the document without its rows: they are in their own table."""
        return {name: value for name, value in document.items() if name != ROWS}

    def more_statements(self, read_model: str, generation: int) -> list[str]:
        """Return the part of the WITH that writes the rows of each order."""
        rows = ROWS_WRITTEN.format(
            n=generation,
            table=table_of(read_model, generation, "rows"),
            key=self.key,
            type=self.key_type,
            columns="".join(f", {name}" for name in self.row_columns),
            values="".join(f", {value}" for value in _taken("r.document", self.row_columns)),
            updates="".join(f", {name} = excluded.{name}" for name in self.row_columns),
        )
        return [rows]

    def parameters(self, generation: int, changes: Mapping[str, Change]) -> dict[str, Any]:
        """Return the rows added, replaced and removed."""
        rows = [
            {"order_id": order_id, "key": key, "document": row}
            for order_id, change in changes.items()
            for key, row in change.rows.items()
        ]
        replaced = [order_id for order_id, change in changes.items() if change.replaces]
        return {f"rows{generation}": rows, f"replaced{generation}": replaced}


@dataclass(frozen=True)
class Sums(Shape):
    """Sums over orders, in the table ``<read model>_sums``, and each order's share of them.

    The fold's document has, under ``share``, a list of objects with the ``keys`` and what the order
    adds to the ``sums`` there. ``earliest`` and ``latest`` are the least and the greatest value of
    all orders: of such a value no order may take back what it once said. Each names columns with
    their types.
    """

    parts: ClassVar = ("sums",)
    keys: Mapping[str, str]
    sums: Mapping[str, str]
    earliest: Mapping[str, str] = field(default_factory=dict)
    latest: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def added_up(self) -> Sums:
        """These."""
        return self

    @property
    def measures(self) -> Mapping[str, str]:
        """What is kept per key, with the types."""
        return {**self.sums, **self.earliest, **self.latest}

    @property
    def table_columns(self) -> Mapping[str, Mapping[str, str]]:
        """The columns, with their types, that the tables need; the orders' table is ``""``."""
        return {**super().table_columns, "sums": {**self.keys, **self.measures}}

    def more_statements(self, read_model: str, generation: int) -> list[str]:
        """Return the part of the WITH that moves the sums."""
        sums = SUMS_MOVED.format(
            n=generation,
            table=table_of(read_model, generation, "sums"),
            keys=", ".join(self.keys),
            measures=", ".join(self.measures),
            moves=", ".join(self.aggregates("sign * ", " filter (where sign = 1)")),
            types=", ".join(f"{n} {t}" for n, t in {**self.keys, **self.measures}.items()),
            updates=", ".join(
                [
                    *(f"{name} = s.{name} + excluded.{name}" for name in self.sums),
                    *(f"{name} = least(s.{name}, excluded.{name})" for name in self.earliest),
                    *(f"{name} = greatest(s.{name}, excluded.{name})" for name in self.latest),
                ]
            ),
        )
        return [sums]

    def aggregates(self, sign: str = "", condition: str = "") -> list[str]:
        """Return the SQL that makes each measure of shares."""
        return [
            *(f"sum({sign}{name})" for name in self.sums),
            *(f"min({name}){condition}" for name in self.earliest),
            *(f"max({name}){condition}" for name in self.latest),
        ]

    def parameters(self, generation: int, changes: Mapping[str, Change]) -> dict[str, Any]:
        """Return the new shares and those that they replace, each with its sign."""
        return {f"moves{generation}": [m for change in changes.values() for m in _moves(change)]}


@dataclass(frozen=True)
class RowsAndSums(Shape):
    """Several rows per order, and sums over orders beside them: both of one fold."""

    parts: ClassVar = ("rows", "sums")
    rows: SeveralRows
    sums: Sums
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def several_rows(self) -> SeveralRows:
        """The rows."""
        return self.rows

    @property
    def added_up(self) -> Sums:
        """The sums."""
        return self.sums

    @property
    def table_columns(self) -> Mapping[str, Mapping[str, str]]:
        """The columns, with their types, that the tables need; the orders' table is ``""``."""
        of_orders = super().table_columns
        return {**self.rows.table_columns, **self.sums.table_columns, **of_orders}

    def stored(self, document: Document) -> Document:
        """Return the document without its rows."""
        return self.rows.stored(document)

    def more_statements(self, read_model: str, generation: int) -> list[str]:
        """Return the parts of the WITH that write the rows and move the sums."""
        both = (self.rows, self.sums)
        return [p for shape in both for p in shape.more_statements(read_model, generation)]

    def parameters(self, generation: int, changes: Mapping[str, Change]) -> dict[str, Any]:
        """Return the parameters of the rows and of the sums."""
        of_rows = self.rows.parameters(generation, changes)
        return of_rows | self.sums.parameters(generation, changes)


def _moves(change: Change) -> Iterator[Document]:
    shares = [document[SHARE] if document else [] for document in (change.before, change.document)]
    if shares[0] == shares[1]:
        return
    before, after = map(_counted, shares)
    for sign, parts in ((-1, before - after), (1, after - before)):
        for part in parts.elements():
            yield {"sign": sign, **dict(part)}


def _counted(share: list[Document]) -> Counter[tuple[tuple[str, Any], ...]]:
    """Return the parts of a share: those that stay as they were need not be moved."""
    return Counter(tuple(sorted(part.items())) for part in share)


def table_of(read_model: str, generation: int, part: str = "") -> str:
    """Name a table of a generation; its view has the name without the number."""
    return f"{view_of(read_model, part)}_{generation}"


def view_of(read_model: str, part: str = "") -> str:
    """Name the view by which queries read the live generation's table."""
    return f"{read_model}_{part}" if part else read_model


def _taken(document: str, columns: Mapping[str, str]) -> list[str]:
    return [f"({document} ->> '{name}')::{kind}" for name, kind in columns.items()]
