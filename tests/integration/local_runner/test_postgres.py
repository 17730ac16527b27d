"""A real cluster, from nothing to an accident."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import psycopg2
import pytest

from infra.local.logs import Logs
from infra.local.servers.child import StartError, death_signal_command
from infra.local.servers.passwords import load_or_create_passwords, write_pgpass
from infra.local.servers.postgres import PostgresCluster, _provide_system_user
from infra.local.settings import ROOT
from tests.databases import running_databases
from tests.integration.local_runner.lambda_fixtures import until

PASSWORDS = {
    "postgres": "super",
    "ordering_owner": "owns",
    "ordering_command": "commands",
}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state that the tests of this file share: making a cluster takes a second."""
    return tmp_path_factory.mktemp("cluster")


@pytest.fixture
def port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        number: int = trial.getsockname()[1]
        return number


def a_cluster(directory: Path, port: int, logs: Logs) -> PostgresCluster:
    return PostgresCluster(
        "write", directory / "pg", port, PASSWORDS, logs=logs, logs_directory=directory / "logs"
    )


@contextlib.asynccontextmanager
async def running(directory: Path, port: int) -> AsyncIterator[PostgresCluster]:
    with Logs(directory / "logs", console=None) as logs:
        cluster = a_cluster(directory, port, logs)
        try:
            await cluster.start()
            await cluster.provide_roles()
            yield cluster
        finally:
            await cluster.stop()


def ask(
    port: int, statement: str, role: str = "ordering_owner", *, password: str = ""
) -> list[tuple[object, ...]]:
    password = password or PASSWORDS[role]
    connection = psycopg2.connect(
        host="127.0.0.1", port=port, user=role, password=password, dbname="ordering"
    )
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def test_an_initialisation_that_was_interrupted_is_begun_anew(directory: Path, port: int) -> None:
    (directory / "pg" / "write.new").mkdir(parents=True)
    (directory / "pg" / "write.new" / "PG_VERSION").write_text("18\n")

    async def scenario() -> None:
        async with running(directory, port):
            assert ask(port, "select current_user, current_database()") == [
                ("ordering_owner", "ordering")
            ]

    asyncio.run(scenario())
    assert not (directory / "pg" / "write.new").exists()


def test_commits_are_on_disk_before_they_are_acknowledged(directory: Path, port: int) -> None:
    async def scenario() -> None:
        async with running(directory, port):
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                assert ask(port, f"show {setting}") == [("on",)]

    asyncio.run(scenario())


def test_nobody_gets_in_without_the_password(directory: Path, port: int) -> None:
    async def scenario() -> None:
        async with running(directory, port):
            with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
                ask(port, "select 1", password="guess")  # noqa: S106 - a wrong one
            assert ask(port, "select 1", "ordering_command") == [(1,)]
            rules = "select distinct auth_method from pg_hba_file_rules"
            assert ask(port, rules, "postgres") == [("scram-sha-256",)]

    asyncio.run(scenario())


def test_a_server_that_is_killed_comes_back_with_all_that_was_committed(
    directory: Path, port: int
) -> None:
    async def scenario() -> None:
        async with running(directory, port) as cluster:
            ask(port, "create table if not exists kept as select 42 as answer")
            first = cluster.child.pid
            assert first is not None
            os.kill(first, signal.SIGKILL)
            await until(lambda: cluster.child.pid != first, seconds=20)
            await until(lambda: answers(port), seconds=20)
            assert ask(port, "select answer from kept") == [(42,)]

    asyncio.run(scenario())


def test_the_server_of_a_runner_that_is_gone_is_ended_first(directory: Path, port: int) -> None:
    async def scenario() -> None:
        async with running(directory, port) as cluster:
            launch = cluster.child.launch
        with subprocess.Popen(  # noqa: ASYNC220 - returns when it has forked
            (*death_signal_command(user=launch.user), *launch.command),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
        ) as orphan:
            try:
                await until(lambda: answers(port))
                async with running(directory, port):
                    assert orphan.wait(1) == 0, "it was not asked to end in order"
                    assert ask(port, "select 1") == [(1,)]
            finally:
                orphan.kill()

    asyncio.run(scenario())


def test_a_lock_file_whose_pid_is_somebody_else_s_now_does_not_matter(
    directory: Path, port: int
) -> None:
    (directory / "pg" / "write" / "postmaster.pid").write_text(f"{os.getpid()}\n")

    async def scenario() -> None:
        async with running(directory, port):
            assert ask(port, "select 1") == [(1,)]

    asyncio.run(scenario())


def test_a_lock_file_of_a_zombie_does_not_matter(directory: Path, port: int) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as nobody_waits_for:
        while psutil.Process(nobody_waits_for.pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.001)
        lock = directory / "pg" / "write" / "postmaster.pid"
        lock.write_text(f"{nobody_waits_for.pid}\n{directory / 'pg' / 'write'}\n")

        async def scenario() -> None:
            async with running(directory, port):
                assert ask(port, "select 1") == [(1,)]

        asyncio.run(scenario())


def test_one_user_is_made_however_many_clusters_ask_for_it_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    users: list[str] = []
    asked = threading.Barrier(2, timeout=0.5)

    def look_up(name: str) -> None:
        known = name in users
        with contextlib.suppress(threading.BrokenBarrierError):  # the other one waits for its turn
            asked.wait()
        if not known:
            raise KeyError(name)

    def add(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        users.append(command[-1])
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr("infra.local.servers.postgres.pwd.getpwnam", look_up)
    monkeypatch.setattr("infra.local.servers.postgres.subprocess.run", add)
    with ThreadPoolExecutor() as threads:
        list(threads.map(_provide_system_user, ["postgres_of_tests"] * 2))
    assert users == ["postgres_of_tests"]


def test_another_process_waits_while_a_user_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asks = "from infra.local.servers.postgres import _provide_system_user as ask; ask('root')"
    others: list[subprocess.Popen[bytes]] = []

    def add(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        other = subprocess.Popen([sys.executable, "-c", asks], cwd=ROOT)
        others.append(other)
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(2)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr("infra.local.servers.postgres.subprocess.run", add)
    _provide_system_user("nobody_of_that_name")
    assert others[0].wait(10) == 0


def test_databases_that_cannot_start_fail_and_leave_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_read_side(self: PostgresCluster) -> None:
        raise StartError(f"no {self.name} database")

    threads = threading.active_count()
    monkeypatch.setattr(PostgresCluster, "start", no_read_side)
    with pytest.raises(ExceptionGroup), running_databases(tmp_path):
        pass
    assert threading.active_count() == threads


def test_passwords_are_made_once_and_for_their_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "passwords.json"
    first = load_or_create_passwords(path, {"write": ["ordering_command"]})
    again = load_or_create_passwords(path, {"write": ["ordering_relay"], "read": []})
    assert set(first["write"]) == {"postgres", "ordering_owner", "ordering_command"}
    assert first["write"].items() < again["write"].items()
    write_pgpass(tmp_path / "pgpass", again, {"write": 1, "read": 2})
    for file in (path, tmp_path / "pgpass"):
        assert file.stat().st_mode & 0o777 == 0o600
    command = again["write"]["ordering_command"]
    assert (
        f"127.0.0.1:1:ordering:ordering_command:{command}"
        in (tmp_path / "pgpass").read_text().splitlines()
    )


def answers(port: int) -> bool:
    try:
        return ask(port, "select 1") == [(1,)]
    except psycopg2.OperationalError:
        return False
