"""Each database role tries every verb on every table: only what is meant is allowed.

On databases as Aurora gives them, made by a deployment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg2
import pytest

from operations.migrate import migrate
from ordering.read_side.query import READ_MODELS
from tests.databases import MIGRATIONS
from tests.deployment.aurora import MASTER, MASTER_PASSWORD, SIDES
from tests.integration.test_query_role import Session

if TYPE_CHECKING:
    from tests.deployment.aurora import Aurora

READS, ADDS, CHANGES, REMOVES = "select", "insert", "update", "delete"
KEEPS: Final = {READS, ADDS, CHANGES, REMOVES}
VERBS: Final = {
    "select": "select * from {table} limit 0",
    "insert": "insert into {table} default values",
    "update": "update {table} set {column} = {column} where false",
    "delete": "delete from {table} where false",
    "truncate": "truncate {table}",
    "alter": "alter table {table} add column more integer",
    "drop": "drop table {table}",
}
TABLES: Final = """
select c.relname, c.relkind::text,
  (select quote_ident(a.attname) from pg_attribute as a where a.attrelid = c.oid and a.attnum > 0
     and a.attidentity = '' order by a.attnum limit 1)
from pg_class as c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'v', 'm')
order by 1
"""
OF_READ_MODELS: Final = "a read model's tables"
VIEWS: Final = "read models' views"
FRESHNESS: Final = "how fresh they are"
MEANT: Final[dict[str, dict[str, dict[str, set[str]]]]] = {
    "write": {
        "ordering_command": {
            "orders": {READS, ADDS, CHANGES},
            "order_events": {READS, ADDS},
            "outbox": {READS, ADDS},
            "command_results": {READS, ADDS},
            "relay_shards": {READS},
        },
        "ordering_relay": {
            "order_events": {READS},
            "outbox": {READS, REMOVES},
            "relay_shards": {READS, CHANGES},
        },
        "ordering_cleaner": {"command_results": {READS, REMOVES}},
        "ordering_operation": {
            "order_events": {READS},
            "outbox": {READS},
            "relay_shards": {READS},
        },
    },
    "read": {
        "ordering_query": {VIEWS: {READS}, FRESHNESS: {READS}},
        "ordering_projector": {
            OF_READ_MODELS: KEEPS,
            VIEWS: {READS},
            "watermarks": KEEPS,
            "parked_events": {READS, ADDS},
            "orders_behind": {READS, ADDS, CHANGES},
            "generations": {READS},
        },
        "ordering_operation": {
            OF_READ_MODELS: KEEPS,
            VIEWS: {READS},
            "discarded_events": KEEPS,
            "orders_behind": KEEPS,
            "parked_events": KEEPS,
            "operations": {READS, ADDS},
            "generations": {READS, CHANGES},
            "watermarks": {READS},
            "freshness_as_of": {READS},
            "freshness_parked": {READS},
            "freshness_watermarks": {READS},
        },
    },
}


@pytest.fixture(scope="module")
def deployed(_aurora: Aurora) -> Aurora:
    """Return databases that a deployment has just made."""
    from operations.prepare_databases import prepare  # noqa: PLC0415 - it imports boto3

    _aurora.begin_anew()
    for side in SIDES:
        master = psycopg2.connect(
            f"{_aurora.address(side, 'postgres')} user={MASTER} password={MASTER_PASSWORD}"
        )
        master.autocommit = True
        prepare(master)
        master.close()
        migrate(_aurora.open(side, "ordering_owner"), MIGRATIONS / side)
    return _aurora


def called(name: str, kind: str) -> str:
    """Return under which name ``MEANT`` has a table."""
    if name.startswith("freshness_"):
        return name
    if any(name == model or name.startswith(f"{model}_") for model in READ_MODELS):
        return VIEWS if kind == "v" else OF_READ_MODELS
    return name


def rights(meant: dict[str, set[str]], name: str, kind: str) -> set[str]:
    if name.startswith("freshness_") and FRESHNESS in meant:
        return meant[FRESHNESS]
    return meant.get(called(name, kind), set())


def tries() -> list[tuple[str, str]]:
    return [(side, role) for side, roles in MEANT.items() for role in roles]


@pytest.mark.parametrize(("side", "role"), tries())
def test_every_verb_on_every_table(deployed: Aurora, side: str, role: str) -> None:
    session = Session(f"{deployed.address(side)} user={role}")
    tables = deployed.open(side, "ordering_owner").rows(TABLES)
    assert len(tables) > 5
    wrong = []
    for name, kind, column in tables:
        for verb, statement in VERBS.items():
            may = session.may(statement.format(table=name, column=column))
            if may is not (verb in rights(MEANT[side][role], name, kind)):
                wrong.append(f"{verb} {name}: {may}")
    session.connection.close()
    assert wrong == []


def test_every_role_is_meant_for_something(deployed: Aurora) -> None:
    for side in SIDES:
        rows = deployed.superuser(side).rows(
            "select rolname from pg_roles where rolname like 'ordering%%'", {}
        )
        assert {role for (role,) in rows} - {"ordering_owner"} == MEANT[side].keys()


@pytest.mark.parametrize(("side", "role"), tries())
def test_what_no_role_may(deployed: Aurora, side: str, role: str) -> None:
    session = Session(f"{deployed.address(side)} user={role}")
    for statement in (
        "create table mine (x int)",
        "create schema mine",
        "create role mine",
        "set role ordering_owner",
        "set session authorization ordering_owner",
        "alter role ordering_owner superuser",
        "grant rds_iam to current_user with admin option",
        "copy (select 1) to '/tmp/x'",
        "select pg_read_file('/etc/passwd')",
    ):
        assert not session.may(statement), statement
    session.connection.close()


def test_the_owner_is_no_superuser(deployed: Aurora) -> None:
    for side in SIDES:
        session = Session(f"{deployed.address(side)} user=ordering_owner")
        for statement in (
            "alter role ordering_owner superuser",
            "create role another superuser",
            "select pg_read_file('/etc/passwd')",
            "set role master",
        ):
            assert not session.may(statement), statement
        session.connection.close()
