"""What is kept of the document that a read model's fold makes of an order's events.

A projector declares its read model's shape; the statements follow from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

NEEDED_COLUMNS: Final = {
    "order_id": "uuid",
    "version": "int",
    "customer_id": "text",
    "document": "json",
    "last_event_time": "timestamptz",
}
"""The columns of every read model's table, with their types: the loops read and write them."""

_LOAD: Final = """
select order_id::text, version, document, last_event_time from {table}
where order_id = any(%(order_ids)s::uuid[])
"""
# The version decides: of two invocations that apply the same events one writes nothing.
_SAVE: Final = """
insert into {table} (order_id, version, last_event_time, document, {columns})
select r.order_id, r.version, r.last_event_time, r.document, {values}
from json_to_recordset(%(rows)s::json) as r (
  order_id uuid, version int, document json, last_event_time timestamptz
)
on conflict (order_id) do update
set version = excluded.version, last_event_time = excluded.last_event_time,
  document = excluded.document, {updates}
where {table}.version < excluded.version
"""


@dataclass(frozen=True)
class OneRow:
    """One row per order: the document as it is sent, and columns that queries select by.

    ``columns`` are the types of those columns by name; each is the document's field of that name.
    ``customer_id`` is always one.
    """

    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def table_columns(self) -> Mapping[str, str]:
        """The columns that the table needs, with their types."""
        return {**NEEDED_COLUMNS, **self.columns}

    def load(self, table: str) -> str:
        """Return the statement that selects the rows of the orders ``%(order_ids)s``.

        Its columns are order_id (text), version, document and last_event_time.
        """
        return _LOAD.format(table=table)

    def save(self, table: str) -> str:
        """Return the statement that writes ``%(rows)s`` where their version is greater.

        The rows are a JSON array of objects with order_id, version, document and last_event_time.
        """
        columns = {"customer_id": "text", **self.columns}
        return _SAVE.format(
            table=table,
            columns=", ".join(columns),
            values=", ".join(
                f"(r.document ->> '{name}')::{kind}" for name, kind in columns.items()
            ),
            updates=", ".join(f"{name} = excluded.{name}" for name in columns),
        )
