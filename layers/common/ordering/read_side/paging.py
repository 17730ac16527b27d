"""Lists a page at a time, in the order of a key: the SQL of it, its cursors and its answer."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Protocol

from ordering.runtime.ids import order_id_of

from .cursor import bad_cursor, read_cursor, write_cursor
from .freshness import read_rfc3339, rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordering.runtime.postgres import Row


_LEAST_REFUSED: Final = 2**31
"""PostgreSQL's integers end before."""
_CAN_BE_STORED: Final = re.compile(r"[^\x00\ud800-\udfff]*")
_NUMBER: Final = re.compile("[0-9]{1,10}", re.ASCII)
_AMOUNT: Final = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,4})?", re.ASCII)


class KeyType(Enum):
    """The SQL type of a column of the key."""

    INSTANT = "timestamptz"
    UUID = "uuid"
    TEXT = "text"
    INTEGER = "int"
    COUNT = "bigint"
    AMOUNT = "numeric"

    def write(self, value: Any) -> str:  # noqa: ANN401 - a value of this type's column
        """Write a value as the text that a cursor has."""
        return rfc3339(value) if self is KeyType.INSTANT else str(value)

    def read(self, text: str) -> object:
        """Read a value from a cursor.

        Raises:
            Problem: 400 bad-cursor.
        """
        match self:
            case KeyType.INSTANT:
                value: object = read_rfc3339(text)
            case KeyType.UUID:
                value = text if order_id_of(text) == text else None
            case KeyType.TEXT:
                value = text if _CAN_BE_STORED.fullmatch(text) else None
            case KeyType.INTEGER | KeyType.COUNT:
                is_one = _NUMBER.fullmatch(text) and int(text) < _LEAST_REFUSED
                value = int(text) if is_one else None
            case KeyType.AMOUNT:
                value = Decimal(text) if _AMOUNT.fullmatch(text) else None
        if value is None:
            raise bad_cursor()
        return value


class PagedQuestion(Protocol):
    """A question with ``limit`` and ``cursor``; its other fields are filters."""

    @property
    def limit(self) -> int: ...  # noqa: D102 - see the class
    @property
    def cursor(self) -> str | None: ...  # noqa: D102 - see the class
    def model_dump(self, *, exclude: set[str]) -> dict[str, Any]: ...  # noqa: D102 - pydantic's


@dataclass(frozen=True)
class Keyset:
    """The key that a list is sorted by, newest or largest first; the last column makes it unique.

    With ``is_ascending`` the oldest or smallest comes first.

    A question's SQL has ``{key}`` after the column of the item's JSON, ``{after}`` among its
    conditions and ``{page}`` at its end; ``sql`` fills them in.
    """

    columns: Mapping[str, KeyType]
    is_ascending: bool = False

    def sql(self, statement: str) -> str:
        """Return the statement with the key, the condition of the cursor, the order and limit."""
        names = ", ".join(self.columns)
        values = ", ".join(f"%(after_{name})s::{t.value}" for name, t in self.columns.items())
        follows = ">" if self.is_ascending else "<"
        first = next(iter(self.columns))
        return statement.format(
            key=names,
            after=f"(%(after_{first})s is null or ({names}) {follows} ({values}))",
            page=f"order by {self.order}\nlimit %(page_rows)s",
        )

    @property
    def order(self) -> str:
        """The SQL of the order."""
        direction = "asc" if self.is_ascending else "desc"
        return ", ".join(f"{name} {direction}" for name in self.columns)

    def parameters(self, question: PagedQuestion) -> dict[str, object]:
        """Return the statement's parameters for the page that the question's cursor points to.

        Raises:
            Problem: 400 bad-cursor, it was not made for these filters.
        """
        values: list[object] = [None] * len(self.columns)
        if question.cursor is not None:
            texts = read_cursor(question.cursor, _filters(question), len(self.columns))
            types = self.columns.values()
            values = [t.read(text) for t, text in zip(types, texts, strict=True)]
        after = {f"after_{name}": value for name, value in zip(self.columns, values, strict=True)}
        # One row more than the limit shows whether there is a next page.
        return {**after, "page_rows": question.limit + 1}

    def body(
        self, question: PagedQuestion, rows: Sequence[Row], goes_on_after: Row | None = None
    ) -> str:
        """Return the page as JSON, of rows with the item's JSON and the key's columns.

        ``goes_on_after`` is the key behind which the next page starts if this one is not full.
        """
        page = rows[: question.limit]
        key = page[-1][1:] if len(rows) > question.limit else goes_on_after
        cursor = None
        if key is not None:
            texts = [t.write(part) for t, part in zip(self.columns.values(), key, strict=True)]
            cursor = write_cursor(texts, _filters(question))
        items = ",".join(item for item, *_ in page)
        return f'{{"items": [{items}], "next_cursor": {json.dumps(cursor)}}}'


def _filters(question: PagedQuestion) -> dict[str, object]:
    return question.model_dump(exclude={"cursor", "limit"})
