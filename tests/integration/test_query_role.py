"""What the database role of queries may do: select from the views, and no more."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

import psycopg2
import pytest
from psycopg2 import errors

from ordering.read_side.query import READ_MODELS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.databases import Databases

RELATIONS: Final = """
select c.oid, n.nspname || '.' || quote_ident(c.relname), c.relkind,
  array_agg(quote_ident(a.attname) order by a.attnum)
from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
  join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema'
  and c.relkind in ('r', 'v', 'm', 'p', 'f', 'S')
group by 1, 2, 3 order by 2
"""
FUNCTIONS: Final = """
select p.oid, p.proname, p.prosecdef
from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
where n.nspname = 'public' and not exists (
  select from pg_depend as d where d.objid = p.oid and d.deptype = 'e'
)
"""


class Session:
    """A connection of the role; what a statement does is undone."""

    def __init__(self, conninfo: str) -> None:
        self.connection = psycopg2.connect(conninfo)

    def may(self, statement: str) -> bool:
        """Return whether the role may do that; what fails for another reason, it may."""
        with self.connection.cursor() as cursor:
            try:
                cursor.execute(statement)
            except (errors.InsufficientPrivilege, errors.WrongObjectType, errors.GeneratedAlways):
                return False
            except errors.ObjectNotInPrerequisiteState as error:
                # PostgreSQL says of a view that sums up that nobody can write to it.
                return "view" not in str(error)
            except psycopg2.Error:
                return True
            finally:
                self.connection.rollback()
        return True

    def is_true(self, condition: str) -> bool:
        """Return what a condition is for the role."""
        with self.connection.cursor() as cursor:
            cursor.execute(f"select {condition}")
            ((is_true,),) = cursor.fetchall()
        return bool(is_true)


@pytest.fixture
def role(databases: Databases) -> Iterator[Session]:
    session = Session(databases.conninfo("read", "ordering_query"))
    with contextlib.closing(session.connection):
        yield session


def test_it_reads_views_and_nothing_else(databases: Databases, role: Session) -> None:
    readable = set()
    tried = 0
    for oid, relation, kind, columns in databases.owner("read").rows(RELATIONS):
        name, last = relation.removeprefix("public."), columns[-1]
        verbs = {
            "insert": f"insert into {relation} default values",
            **{
                f"update {column}": f"update {relation} set {column} = {column}"  # noqa: S608 - names of ours
                for column in columns
            },
            "delete": f"delete from {relation}",  # noqa: S608 - names of ours
            "truncate": f"truncate {relation}",
            "lock": f"lock table {relation} in share mode",
            "index": f"create index on {relation} ({last})",
            "trigger": f"create trigger t after insert on {relation} execute function lower()",
            "alter": f"alter table {relation} add column c int",
            "drop": f"drop table {relation}",
            "merge": f"merge into {relation} using (select 1) s on true when matched then delete",
        }
        if kind == "S":
            verbs = {"nextval": f"select nextval('{relation}')"}
        allowed = [verb for verb, statement in verbs.items() if role.may(statement)]
        assert allowed == [], relation
        others = "update, references, trigger, select with grant option"
        assert not role.is_true(f"has_table_privilege({oid}, '{others}')")
        tried += len(verbs)
        select = f"select {{}} from {relation}"  # noqa: S608 - likewise
        seen = {column for column in columns if role.may(select.format(column))}
        assert not seen or kind == "v", relation
        if seen:
            readable.add(name)
    views = {
        name
        for (name,) in databases.owner("read").rows(
            "select viewname::text from pg_views where schemaname = 'public'"
        )
    }
    assert {*READ_MODELS} <= views
    assert readable == views
    assert tried > 400


def test_it_calls_no_function_that_changes_anything(databases: Databases, role: Session) -> None:
    functions = databases.owner("read").rows(FUNCTIONS)
    assert {"begin_generation", "switch_generation", "drop_generation"} <= {f[1] for f in functions}
    for oid, name, runs_as_owner in functions:
        may = role.is_true(f"has_function_privilege({oid}, 'execute')")
        assert not (runs_as_owner and may), name


@pytest.mark.parametrize(
    "statement",
    [
        "create table t (c int)",
        "create schema s",
        "create view v as select 1",
        "create function f() returns int language sql as 'select 1'",
        "create extension hstore",
        "create role another",
        "alter role ordering_query superuser",
        "set role ordering_owner",
        "set role ordering_projector",
        "copy (select 1) to '/tmp/ordering-query-role'",
        "alter database ordering set statement_timeout = 0",
    ],
)
def test_it_makes_nothing_of_its_own(role: Session, statement: str) -> None:
    assert not role.may(statement)
