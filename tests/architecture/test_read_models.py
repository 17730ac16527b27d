"""Each read model has its table, with the columns that the loops read and write, and its grants."""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING, Final

import pytest
import sqlglot
from sqlglot import exp

from infra.contracts.functions import ROOT, files_of
from ordering.read_side.query import READ_MODELS
from ordering.read_side.shapes import NEEDED_COLUMNS, view_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PROJECTORS: Final = {file.stem: file.handler for file in files_of("projectors")}


def statements(sql: str) -> Iterator[exp.Expr | None]:
    # What sqlglot does not read, such as a grant, it returns as text, with a warning.
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    yield from sqlglot.parse(sql, read="postgres")


def tables_of(sql: str) -> Mapping[str, dict[str, str]]:
    """Return the columns, with their types, of the tables that the statements make and change."""
    found: dict[str, dict[str, str]] = {}
    for statement in statements(sql):
        if isinstance(statement, exp.Create | exp.Alter) and statement.args["kind"] == "TABLE":
            table = statement.find(exp.Table)
            assert table is not None
            for column in statement.find_all(exp.ColumnDef):
                written = column.args["kind"].sql("postgres").lower().replace("decimal", "numeric")
                found.setdefault(table.name, {})[column.name] = written
            # The tables that each generation's are made like.
            if (like := statement.find(exp.LikeProperty)) is not None:
                found.setdefault(table.name, {}).update(found[like.this.name])
    return found


@cache
def migrations() -> str:
    files = sorted((ROOT / "infra" / "migrations" / "read").glob("*.sql"))
    return "\n".join(file.read_text() for file in files)


def missing(
    tables: Mapping[str, dict[str, str]], name: str, needed: Mapping[str, str]
) -> list[str]:
    """Return what the table of a read model lacks, as sentences."""
    if name not in tables:
        return [f"no migration in infra/migrations/read makes the table {name}"]
    return [
        f"the table {name} needs the column {column} {kind}; write a migration"
        for column, kind in needed.items()
        if tables[name].get(column) != kind
    ]


@pytest.mark.parametrize("name", PROJECTORS)
def test_a_read_models_tables_have_the_columns_that_the_loops_need(name: str) -> None:
    tables = tables_of(migrations())
    found = [
        sentence
        for part, needed in PROJECTORS[name].shape.table_columns.items()
        for sentence in missing(tables, view_of(name, part), needed)
    ]
    assert not found, "; ".join(found)


@pytest.mark.parametrize("name", PROJECTORS)
def test_a_read_models_first_generation_is_begun(name: str) -> None:
    calls = [line.strip() for line in migrations().splitlines() if "begin_generation" in line]
    # The first two had their tables before there were generations.
    assert name in {"order_details", "customer_orders"} or any(f"'{name}'" in c for c in calls), (
        f"a migration in infra/migrations/read has to begin_generation('{name}', 1)"
    )


def test_every_read_model_is_registered() -> None:
    difference = sorted({*READ_MODELS} ^ {*PROJECTORS})
    assert not difference, (
        f"functions/projectors and READ_MODELS in ordering/read_side/query.py differ: {difference}"
    )


def test_what_a_table_lacks_is_named() -> None:
    made = tables_of(
        "create table a (order_id uuid primary key, version integer not null, document jsonb);"
        "alter table a add column last_event_time timestamptz;"
    )
    assert missing(made, "a", NEEDED_COLUMNS) == [
        "the table a needs the column customer_id text; write a migration",
        "the table a needs the column document json; write a migration",
    ]
    assert missing(made, "b", NEEDED_COLUMNS) == [
        "no migration in infra/migrations/read makes the table b"
    ]
