"""Migrations: each file once, all or none, and never changed afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg2
import pytest

from operations.migrate import ChangedMigrationError, migrate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ordering.postgres import Database
    from tests.integration.conftest import Databases


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
