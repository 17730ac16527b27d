"""The functions' connection: to a server that is not there, is silent, or has gone."""

from __future__ import annotations

import json
import math
import signal
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from commands import add_note, place_order
from ordering.runtime.ids import uuid7
from ordering.runtime.postgres import Database, DatabaseUnavailableError, is_temporary
from projectors import order_details
from queries import get_order
from tests.integration.commands_on_postgres import placed
from tests.integration.requests import body_of, request
from tests.shared import an_order, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ordering.runtime.function import HttpFunction
    from tests.databases import Databases

EVENTS = Path(__file__).parents[2] / "events"


def test_a_database_that_does_not_answer_is_503_with_retry_after() -> None:
    nowhere = Database("host=127.0.0.1 port=1 dbname=ordering user=x", "none", "test")
    response = place_order.handler.using(nowhere)(request(an_order()), None)
    assert (response["statusCode"], body_of(response)["code"]) == (503, "service-unavailable")
    assert response["headers"]["retry-after"] == "1"


def test_a_connection_that_the_server_closed_is_replaced(databases: Databases) -> None:
    database = databases.open("write", "ordering_command")
    placed(database)
    pid = backend_of(database)
    another = databases.open("write", "ordering_command")
    another.rows("select pg_terminate_backend(%(pid)s, 5000)", {"pid": pid})
    placed(database)


def backend_of(database: Database) -> int:
    """Return the id of the server's process behind the connection."""
    ((pid,),) = database.rows("select pg_backend_pid()")
    return int(pid)


class Deadline:
    """Lambda's context, of which only the time left is asked."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self._seconds * 1000)


@pytest.fixture
def silent() -> Iterator[Database]:
    """A server that takes connections and says nothing: one that was stopped, not ended."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        yield Database(f"host=127.0.0.1 port={port} dbname=ordering user=x", "none", "test")


@pytest.mark.parametrize(
    ("function", "path"),
    [(place_order.handler, {}), (get_order.handler, {"order_id": str(uuid7())})],
)
def test_a_server_that_is_silent_is_503_while_there_is_time_to_say_so(
    silent: Database, function: HttpFunction, path: dict[str, str]
) -> None:
    body = an_order() if function is place_order.handler else None
    response = function.using(silent)(request(body, path=path), Deadline(1.2))
    assert (response["statusCode"], body_of(response)["code"]) == (503, "service-unavailable")
    assert response["headers"]["retry-after"] == "1"


def test_a_projector_whose_database_is_silent_fails_and_gets_its_records_again(
    silent: Database,
) -> None:
    event: dict[str, Any] = json.loads((EVENTS / "order_details.json").read_text())
    with pytest.raises(DatabaseUnavailableError, match="does not answer"):
        order_details.handler.using(silent)(event, Deadline(1.2))


def test_an_answer_that_takes_too_long_is_given_up_with_its_connection(
    databases: Databases,
) -> None:
    database = databases.open("write", "ordering_command")
    pid = backend_of(database)
    database.answer_by = time.monotonic() + 0.1
    with pytest.raises(DatabaseUnavailableError, match="does not answer"):
        database.rows("select pg_sleep(5)")
    database.answer_by = math.inf
    # What is still to come on the old connection would be taken for the next one's answer.
    assert database.rows("select pg_backend_pid() <> %(pid)s", {"pid": pid}) == [(True,)]


def test_what_is_done_meanwhile_is_done_while_the_server_works(databases: Databases) -> None:
    database = databases.open("write", "ordering_command")
    owner = databases.owner("write")
    owner.rows("select pg_advisory_lock(1)")
    granted = "select granted from pg_locks where locktype = 'advisory' and pid = %(pid)s"
    pid = {"pid": backend_of(database)}

    def let_go() -> str:
        eventually(lambda: owner.rows(granted, pid) == [(False,)], seconds=5)
        owner.rows("select pg_advisory_unlock(1)")
        return "let go"

    waits = "select 2 from pg_advisory_xact_lock(1)"
    assert database.rows_meanwhile(waits, None, let_go) == ([(2,)], "let go")


def test_what_fails_meanwhile_leaves_no_answer_for_the_next_statement(databases: Databases) -> None:
    database = databases.open("write", "ordering_command")
    pid = backend_of(database)

    def fail() -> None:
        raise RuntimeError("meanwhile")

    with pytest.raises(RuntimeError, match="meanwhile"):
        database.rows_meanwhile("select 1", None, fail)
    assert database.rows("select pg_backend_pid(), 2") == [(pid, 2)]


@pytest.fixture
def soon_exits() -> Iterator[None]:
    """End this process soon, as Lambda does: with a signal, whatever it waits for."""
    usual = signal.signal(signal.SIGALRM, lambda *_: sys.exit(0))
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, usual)


@pytest.mark.usefixtures("soon_exits")
def test_a_statement_that_was_left_in_the_middle_holds_up_no_other(databases: Databases) -> None:
    database = databases.open("write", "ordering_command")
    with pytest.raises(SystemExit):
        database.rows("select 1 from pg_sleep(60)")
    assert database.rows("select 2") == [(2,)]


def test_an_answer_larger_than_any_buffer_arrives_whole(databases: Databases) -> None:
    database = databases.open("write", "ordering_command")
    text = "x" * 20_000_000
    assert database.rows("select %(text)s", {"text": text}) == [(text,)]


def test_a_statement_that_the_server_gives_up_leaves_the_connection_as_it_was(
    databases: Databases,
) -> None:
    database = databases.open("write", "ordering_command")
    pid = backend_of(database)
    with pytest.raises(DatabaseUnavailableError, match="statement timeout"):
        database.rows("set statement_timeout = 10; select pg_sleep(1)")
    assert database.rows("select pg_backend_pid() = %(pid)s", {"pid": pid}) == [(True,)]


# ── what passes by itself ────────────────────────────────────────────────────────────────────────

TEMPORARY = [
    *("08000", "08001", "08003", "08004", "08006", "08007", "08P01"),
    *("57P01", "57P02", "57P03", "57P04", "57P05", "57014"),
    *("53000", "53100", "53200", "53300", "53400", "58000", "58030"),
    *("25006", "40001", "40P01", "55P03", "42P01", "3F000", "28000", "28P01"),
]
LASTING = [
    *("22001", "22P02", "22P05", "23505", "23514", "42601", "42501", "42703", "0A000"),
    *("54000", "25P02", "26000", "34000", "55000", "XX000"),
]


@pytest.mark.parametrize("code", [*TEMPORARY, *LASTING])
def test_the_sqlstate_tells_whether_an_error_passes(databases: Databases, code: str) -> None:
    database = databases.open("write", "ordering_command")
    statement = f"do $$ begin raise exception 'so be it' using errcode = '{code}'; end $$"
    wanted = DatabaseUnavailableError if code in TEMPORARY else psycopg2.Error
    with pytest.raises(wanted, match="so be it"):
        database.rows(statement)
    starting = databases.open("write", "ordering_command", on_connect=statement)
    for use in (
        lambda: starting.rows("select 1"),
        lambda: starting.wait_for_notification("x", 0.1),
        starting.session,
    ):
        with pytest.raises(wanted, match="so be it"):
            use()


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (psycopg2.OperationalError("could not translate host name"), True),
        (psycopg2.OperationalError("SSL error: unexpected eof while reading"), True),
        (psycopg2.InterfaceError("connection already closed"), True),
        (psycopg2.DatabaseError("error with status PGRES_TUPLES_OK and no message"), True),
        (psycopg2.ProgrammingError("can't adapt type 'object'"), False),
        (psycopg2.NotSupportedError("can't do that"), False),
    ],
)
def test_without_an_sqlstate_it_is_the_connection(error: psycopg2.Error, *, passes: bool) -> None:
    assert is_temporary(error) is passes


@pytest.mark.parametrize(
    "conninfo",
    [
        "host=nowhere.invalid dbname=ordering user=x",
        "host=127.0.0.1 port=1 dbname=ordering user=x",
        "{} sslmode=require",
        "{} password=wrong",
        "{} user=nobody",
        "{} dbname=nothing",
    ],
)
def test_whatever_keeps_a_connection_from_being_opened_passes(
    databases: Databases, conninfo: str
) -> None:
    database = Database(
        conninfo.format(databases.conninfo("write", "ordering_command")), "none", "test"
    )
    for use in (
        lambda: database.rows("select 1"),
        lambda: database.wait_for_notification("x", 0.1),
        database.session,
    ):
        with pytest.raises(DatabaseUnavailableError):
            use()


def test_a_connection_to_a_read_only_server_is_closed_and_the_next_one_is_another(
    databases: Databases,
) -> None:
    database = databases.open("write", "ordering_command")
    superuser = databases.open("write", "postgres")
    superuser.rows("alter role ordering_command set default_transaction_read_only = on")
    try:
        pid = backend_of(database)
        response = place_order.handler.using(database)(request(an_order()), None)
        assert (response["statusCode"], body_of(response)["code"]) == (503, "service-unavailable")
        assert response["headers"]["retry-after"] == "1"
    finally:
        superuser.rows("alter role ordering_command reset default_transaction_read_only")
    assert backend_of(database) != pid
    placed(database)


# ── characters ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        (
            "alter role ordering_command set client_encoding = 'LATIN1'",
            "alter role ordering_command reset client_encoding",
        ),
        (
            "alter database ordering set client_encoding = 'LATIN1'",
            "alter database ordering reset client_encoding",
        ),
        (
            "alter role ordering_command set client_encoding = 'SQL_ASCII'",
            "alter role ordering_command reset client_encoding",
        ),
    ],
)
def test_no_setting_of_the_database_decides_which_characters_a_text_can_have(
    databases: Databases, begin: str, end: str
) -> None:
    superuser = databases.open("write", "postgres")
    superuser.rows(begin)
    try:
        assert_text_is_kept(databases)
    finally:
        superuser.rows(end)


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII", "WIN1252", "EUC_JP"])
def test_no_variable_of_the_environment_decides_it_either(
    databases: Databases, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", encoding)
    assert_text_is_kept(databases)


def assert_text_is_kept(databases: Databases) -> None:
    text = "9 € für 誰か 🚚"
    database = databases.open("write", "ordering_command")
    order_id = placed(database)
    event = request({"text": text}, path={"order_id": order_id})
    assert add_note.handler.using(database)(event, None)["statusCode"] == 200
    written = (
        "select data ->> 'text', octet_length(data ->> 'text') from order_events"
        " where order_id = %(id)s and version = 2"
    )
    owner = databases.owner("write")
    assert owner.rows(written, {"id": order_id}) == [(text, len(text.encode()))]
    with databases.owner("write").session() as session, session.cursor() as cursor:
        cursor.execute(written, {"id": order_id})
        assert cursor.fetchone() == (text, len(text.encode()))
    session.close()


FIND = "select %(a)s || '%%', id from unnest(%(ids)s::uuid[]) as id"
ID = "0198f2c4-0000-7000-8000-000000000001"
PREPARED = "select statement from pg_prepared_statements"


@pytest.fixture
def planning(databases: Databases) -> Database:
    return databases.open("read", "ordering_projector")


def found(database: Database, text: str, before: str = "") -> list[Any]:
    return database.rows_planned_once(FIND, {"ids": [ID], "a": text}, before=before)


def test_a_statement_is_planned_once_by_each_connection(planning: Database) -> None:
    for text in ('"%s', "{,}"):
        assert found(planning, text) == [(f"{text}%", ID)]
    assert planning.rows_planned_once(FIND, {"ids": [], "a": "x"}) == []
    assert len(planning.rows(PREPARED)) == 1
    planning.close()
    assert found(planning, "x") == [("x%", ID)]
    assert len(planning.rows(PREPARED)) == 1


def test_a_list_is_an_array(planning: Database) -> None:
    texts = ["", "NULL", 'a "b" \\ {c},', "9 € für\n🚚", "%s", "'"]
    find = "select * from unnest(%(texts)s::text[])"
    assert planning.rows_planned_once(find, {"texts": texts}) == [(text,) for text in texts]
    find = "select 2 <> all(%(numbers)s::bigint[])"
    assert planning.rows_planned_once(find, {"numbers": [1, 3]}) == [(True,)]


def test_a_statement_that_could_not_be_planned_is_planned_again(planning: Database) -> None:
    with pytest.raises(DatabaseUnavailableError):
        planning.rows_planned_once("select %(a)s from not_there_yet", {"a": 1})
    with pytest.raises(psycopg2.errors.InvalidTextRepresentation):
        found(planning, "x", before="select 'x'::int;")
    with pytest.raises(psycopg2.errors.InvalidTextRepresentation):
        planning.rows_planned_once(FIND, {"ids": ['"{'], "a": "x"})
    assert found(planning, "x", before="select 1;") == [("x%", ID)]


def test_what_comes_before_is_of_the_same_transaction(planning: Database) -> None:
    find = "select current_setting(%(name)s, true)"
    for value in "ab":
        before = f"select set_config('x.y', '{value}', true);"
        assert planning.rows_planned_once(find, {"name": "x.y"}, before=before) == [(value,)]


def test_no_more_plans_are_kept_than_a_few(planning: Database) -> None:
    for number in range(150):
        found_there = planning.rows_planned_once(f"select {number} + %(n)s", {"n": 1})
        assert found_there == [(number + 1,)]
    assert len(planning.rows(PREPARED)) <= 64
    assert found(planning, "x") == [("x%", ID)]
