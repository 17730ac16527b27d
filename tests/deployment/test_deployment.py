"""The order of a deployment, against databases as Aurora gives them."""

from __future__ import annotations

import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self

import psycopg2
import pytest
from moto import mock_aws

from commands import add_note
from operations import migrate, prepare_databases
from ordering.read_side.query import PLANS
from ordering.runtime.link import PLANNED_ONCE
from queries import get_order
from tests.databases import MIGRATIONS
from tests.deployment.aurora import MASTER_PASSWORD, SIDES
from tests.deployment.deploying import Answers, Deployment, FailedDeploymentError
from tests.deployment.stack import Stack
from tests.domain.vocabulary import an_order_was_placed
from tests.integration.commands_on_postgres import placed
from tests.integration.projections import PROJECTORS, batch, new_order, records_of
from tests.integration.requests import request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ordering.runtime.postgres import Database
    from tests.deployment.aurora import Aurora


@pytest.fixture
def answers() -> Iterator[Answers]:
    answers = Answers()
    with answers.listening():
        yield answers


@pytest.fixture
def deployment(
    aurora: Aurora, answers: Answers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Deployment]:
    """Yield one with a directory of migrations that may get more."""
    migrations = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, migrations)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield Deployment(aurora, answers, monkeypatch, migrations)


class Traffic:
    """Old code at work: commands, projections and queries, each on a connection of its own."""

    def __init__(self, aurora: Aurora) -> None:
        self._aurora = aurora
        self._over = threading.Event()
        self.counts = dict.fromkeys(("commands", "projections", "queries"), 0)
        self.wrong: list[object] = []
        self.slowest = 0.0

    def __enter__(self) -> Self:
        self._threads = [
            threading.Thread(target=self._repeat, args=each)
            for each in (
                ("commands", self._aurora.open("write", "ordering_command"), self._command),
                (
                    "projections",
                    self._aurora.open("read", "ordering_projector", on_connect=PLANNED_ONCE),
                    self._project,
                ),
                (
                    "queries",
                    self._aurora.open("read", "ordering_query", on_connect=PLANS),
                    self._ask,
                ),
            )
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def goes_on(self) -> bool:
        """Return whether each kind has answered again after this was asked."""
        before = dict(self.counts)
        until = time.monotonic() + 10
        while time.monotonic() < until:
            if all(self.counts[kind] > count + 1 for kind, count in before.items()):
                return not self.wrong
            time.sleep(0.01)
        return False

    def _repeat(self, kind: str, database: Database, work: Any) -> None:  # noqa: ANN401 - a method
        offsets = iter(range(1_000_000))
        while not self._over.is_set():
            begun = time.monotonic()
            try:
                work(database, next(offsets))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is wrong
                self.wrong.append(error)
                return
            self.slowest = max(self.slowest, time.monotonic() - begun)
            self.counts[kind] += 1
        database.close()

    def _command(self, database: Database, number: int) -> None:
        order_id = placed(database, f"{number}")
        event = request({"text": "noted"}, path={"order_id": order_id})
        assert add_note.handler.using(database)(event, None)["statusCode"] == 200

    def _project(self, database: Database, number: int) -> None:
        self.newest = order_id = new_order()
        event = batch({0: records_of(order_id, [an_order_was_placed()])}, number)
        for projector in PROJECTORS:
            assert projector.using(database)(event, None) == {"batchItemFailures": []}

    def _ask(self, database: Database, _number: int) -> None:
        order_id = getattr(self, "newest", None) or new_order()
        answer = get_order.handler.using(database)(request(path={"order_id": order_id}), None)
        assert answer["statusCode"] in {200, 404}, answer


def test_what_waits_for_what() -> None:
    """Databases, then their schema, then functions; and nothing goes live before."""
    stack = Stack(WriteMasterSecret="arn:w", ReadMasterSecret="arn:r")
    order = stack.order()
    assert stack.needs("Migrated") >= {"Databases", "MigrateAliaslive"}
    first = {"Migrate", "PrepareDatabases"}
    functions = set(stack.of_type("AWS::Lambda::Function"))
    assert len(functions) == 57
    for name in functions:
        assert ("Migrated" in stack.needs(name)) is (name not in first)
        assert (order.index(name) > order.index("Migrated")) is (name not in first)
    for name, alias in stack.of_type("AWS::Lambda::Alias").items():
        (version,) = stack.needs(name) & set(stack.of_type("AWS::Lambda::Version"))
        function = alias["Properties"]["FunctionName"]["Ref"]
        assert stack.needs(version) == {function}
    # Whoever invokes a function invokes its alias: the version that is live.
    for kind, where in (
        ("AWS::Lambda::EventSourceMapping", ["FunctionName"]),
        ("AWS::Scheduler::Schedule", ["Target", "Arn"]),
    ):
        for name in stack.of_type(kind):
            value: Any = stack.properties(name)
            for part in where:
                value = value[part]
            assert value.endswith("Aliaslive"), name
    routes = stack.resources["Api"]["Properties"]["Body"]["paths"]
    targets = [
        operation["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"]
        for path in routes.values()
        for method, operation in path.items()
        if method != "options"
    ]
    assert len(targets) == 36
    assert all("${" in target and "Alias" in target for target in targets)


def test_a_change_in_one_function_gives_that_one_a_new_version() -> None:
    def versions(stack: Stack) -> set[str]:
        return set(stack.of_type("AWS::Lambda::Version"))

    before = Stack()
    one = versions(Stack("CancelOrder")) - versions(before)
    assert {name.split("Version")[0] for name in one} == {"CancelOrder"}
    layer = versions(Stack("CommonLayer")) - versions(before)
    assert len(layer) == len(versions(before))
    migrations = versions(Stack("MigrationsLayer")) - versions(before)
    assert {name.split("Version")[0] for name in migrations} == {"Migrate"}


def test_from_nothing(deployment: Deployment, aurora: Aurora) -> None:
    deployment.carry_out()
    assert deployment.told["Databases"]["Data"] == {}
    newest = {side: max((MIGRATIONS / side).glob("*.sql")).stem for side in SIDES}
    schema = f"write/{newest['write']} read/{newest['read']}"
    assert deployment.told["Migrated"]["Data"] == {"Schema": schema}
    with Traffic(aurora) as traffic:
        assert traffic.goes_on(), traffic.wrong
    for side in SIDES:
        owner = "select rolname, rolsuper, rolcreaterole, rolcreatedb, rolcanlogin from pg_roles"
        for role, *may in aurora.superuser(side).rows(
            f"{owner} where rolname like 'ordering%%'", {}
        ):
            is_owner = role == "ordering_owner"
            assert may == [False, is_owner, False, True], role
        ((members,),) = aurora.superuser(side).rows(
            "select array_agg(m.rolname::text order by 1) from pg_auth_members as a"
            " join pg_roles as m on m.oid = a.member join pg_roles as r on r.oid = a.roleid"
            " where r.rolname = 'rds_iam' and m.rolname like 'ordering%%'",
            {},
        )
        ((roles,),) = aurora.superuser(side).rows(
            "select array_agg(rolname::text order by 1) from pg_roles"
            " where rolname like 'ordering%%'",
            {},
        )
        assert members == roles
        assert len(roles) >= 4


def test_a_second_time_nothing_is_done(deployment: Deployment, aurora: Aurora) -> None:
    deployment.carry_out()
    deployment.carry_out("Update")
    ((applied,),) = aurora.open("write", "ordering_owner").rows(
        "select count(*) from schema_migrations"
    )
    assert applied == len(list((MIGRATIONS / "write").glob("*.sql")))


def add(directory: Path, side: str, **files: str) -> None:
    for name, statements in files.items():
        (directory / side / f"{name}.sql").write_text(statements)


def test_from_the_release_before_with_traffic(deployment: Deployment, aurora: Aurora) -> None:
    """Old code goes on while and after the schema becomes the next one, which only adds to it."""
    deployment.carry_out()
    add(
        deployment.migrations,
        "write",
        **{
            "9001_more": "alter table orders add marked boolean not null default false;"
            "create table marks (order_id uuid primary key);"
            "grant select on marks to ordering_command"
        },
    )
    add(
        deployment.migrations,
        "read",
        **{"9001_more": "alter table order_details_1 add marked boolean not null default false"},
    )
    with Traffic(aurora) as traffic:
        assert traffic.goes_on(), traffic.wrong
        deployment.carry_out("Update")
        assert traffic.goes_on(), traffic.wrong
    assert not traffic.wrong
    assert traffic.slowest < 5
    assert "9001_more" in deployment.told["Migrated"]["Data"]["Schema"]


def test_a_migration_that_fails_in_the_middle(deployment: Deployment, aurora: Aurora) -> None:
    """Old code goes on, no function is changed, and nothing of the new schema is there."""
    deployment.carry_out()
    add(
        deployment.migrations,
        "write",
        **{
            "9001_more": "create table marks (order_id uuid primary key)",
            "9002_wrong": "create table others (x int); insert into others values ('no number')",
        },
    )
    with Traffic(aurora) as traffic:
        assert traffic.goes_on(), traffic.wrong
        with pytest.raises(FailedDeploymentError, match="invalid input syntax"):
            deployment.carry_out("Update")
        assert traffic.goes_on(), traffic.wrong
    changed = set(deployment.done) & set(deployment.stack.of_type("AWS::Lambda::Function"))
    assert changed <= {"Migrate", "PrepareDatabases"}
    owner = aurora.open("write", "ordering_owner")
    assert owner.rows("select to_regclass('marks'), to_regclass('others')") == [(None, None)]
    # CloudFormation goes back to the release before: its migrations find more than they know of.
    shutil.rmtree(deployment.migrations)
    shutil.copytree(MIGRATIONS, deployment.migrations)
    deployment.carry_out("Update")


def test_a_migration_that_must_wait_gives_way(deployment: Deployment, aurora: Aurora) -> None:
    """Behind a migration that waits for a lock everybody would wait: it gives up after 10 s."""
    deployment.carry_out()
    add(deployment.migrations, "write", **{"9001_more": "alter table orders add marked boolean"})
    session = aurora.open("write", "ordering_owner").session()
    with session, session.cursor() as cursor:
        cursor.execute("set idle_in_transaction_session_timeout = 0; select from orders")
        with pytest.raises(FailedDeploymentError, match="lock timeout"):
            deployment.carry_out("Update")
    session.close()
    deployment.carry_out("Update")


def test_twice_at_once(deployment: Deployment, aurora: Aurora) -> None:
    """Two pipelines, or a person and a pipeline: one does it, the other finds it done."""
    deployment.carry_out()
    aurora.begin_anew()
    conninfo = aurora.address("write", "postgres")

    def prepare() -> bool:
        connection = aurora_master(conninfo)
        try:
            return prepare_databases.prepare(connection)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        made = [each.result() for each in [pool.submit(prepare) for _ in range(4)]]
        assert sorted(made) == [False, False, False, True]
        applied = [
            each.result()
            for each in [
                pool.submit(
                    migrate.migrate, aurora.open("write", "ordering_owner"), MIGRATIONS / "write"
                )
                for _ in range(4)
            ]
        ]
    files = sorted(path.name for path in (MIGRATIONS / "write").glob("*.sql"))
    assert sorted(applied, key=len) == [[], [], [], files]


def aurora_master(conninfo: str) -> Any:  # noqa: ANN401 - psycopg2's connection
    connection = psycopg2.connect(f"{conninfo} user=master password={MASTER_PASSWORD}")
    connection.autocommit = True
    return connection


def test_an_existing_database_is_left_alone(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment.carry_out()
    monkeypatch.setenv("WRITE_MASTER_SECRET", "")
    monkeypatch.setenv("READ_MASTER_SECRET", "")
    assert prepare_databases.handler({}, None) == {"write": "exists", "read": "exists"}
    assert "Databases" not in Stack(WriteMasterSecret="", ReadMasterSecret="").resources


def test_a_server_without_iam_is_named(deployment: Deployment, aurora: Aurora) -> None:
    superuser = aurora.superuser("read")
    superuser.rows("alter role rds_iam rename to other_iam")
    try:
        with pytest.raises(FailedDeploymentError, match="has no role rds_iam"):
            deployment.carry_out()
    finally:
        superuser.rows("alter role other_iam rename to rds_iam")
    deployment.carry_out()


def test_the_masters_password_is_said_nowhere(
    deployment: Deployment, aurora: Aurora, capsys: pytest.CaptureFixture[str]
) -> None:
    superuser = aurora.superuser("write")
    superuser.rows("alter role master nologin")
    try:
        with pytest.raises(FailedDeploymentError) as raised:
            deployment.carry_out()
    finally:
        superuser.rows("alter role master login")
    deployment.carry_out()
    output = capsys.readouterr()
    said = str(raised.value) + str(deployment.told) + output.out + output.err
    assert "not permitted to log in" in said
    assert MASTER_PASSWORD not in said
    assert "Signature=secret" not in said


def test_cloudformation_is_told_although_it_does_not_listen_at_first(
    deployment: Deployment,
) -> None:
    deployment.answers.refused = 2
    deployment.carry_out()


def test_when_the_stack_is_deleted_the_databases_stay(
    deployment: Deployment, aurora: Aurora
) -> None:
    deployment.carry_out()
    deployment.carry_out("Delete")
    assert aurora.open("write", "ordering_owner").rows("select count(*) from orders") == [(0,)]
