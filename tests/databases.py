"""Two real PostgreSQL clusters, migrated, where nothing else of the system is needed."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any, Final

from infra.local.logs import Logs
from infra.local.servers.passwords import load_or_create_passwords
from infra.local.servers.postgres import PostgresCluster
from infra.local.settings import ROOT
from operations.migrate import migrate, serve_new_read_models
from ordering.read_side.operation import read_model_named
from ordering.read_side.query import PLANS
from ordering.runtime.link import PLANNED_ONCE
from ordering.runtime.postgres import Database

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

MIGRATIONS = ROOT / "infra" / "migrations"
ROLES = {
    "write": ["ordering_command", "ordering_relay", "ordering_cleaner", "ordering_operation"],
    "read": ["ordering_projector", "ordering_query", "ordering_operation"],
}


class Databases:
    """Where the two databases are, and connections to them by role."""

    def __init__(self, ports: dict[str, int], passwords: dict[str, dict[str, str]]) -> None:
        self._ports = ports
        self._passwords = passwords
        self._opened: list[Database] = []

    def conninfo(self, side: str, role: str) -> str:
        password = self._passwords[side][role]
        port = self._ports[side]
        return f"host=127.0.0.1 port={port} dbname=ordering user={role} password={password}"

    def open(self, side: str, role: str, *, on_connect: str = "") -> Database:
        """Return a connection of its own, which lives as long as what asked for it (`borrowed`).

        It starts as its role's functions start theirs.
        """
        on_connect = on_connect or _ON_CONNECT.get(role, "")
        database = Database(self.conninfo(side, role), "none", "test", on_connect=on_connect)
        self._opened.append(database)
        return database

    def owner(self, side: str) -> Database:
        return self.open(side, "ordering_owner")

    @contextlib.contextmanager
    def borrowed(self) -> Iterator[None]:
        """Close at the end what the block has opened; there are 200 connections for all tests."""
        before = len(self._opened)
        try:
            yield
        finally:
            for database in self._opened[before:]:
                database.close()
            del self._opened[before:]


_ON_CONNECT: Final = {"ordering_projector": PLANNED_ONCE, "ordering_query": PLANS}
_STATE: Final = "watermarks, parked_events, orders_behind, discarded_events, operations"


def empty_read_side(owner: Database) -> None:
    """Empty the read database; each read model has its first generation alone, which is live."""
    generations: dict[str, dict[int, str]] = {}
    tables: dict[str, list[str]] = {}
    for read_model, generation, state, names in owner.rows(
        "select read_model, generation, state, array(select tables_of(read_model)) from generations"
    ):
        generations.setdefault(read_model, {})[generation] = state
        tables.setdefault(read_model, []).extend(f"{name}_{generation}" for name in names)
    as_they_are = [name for name, those in generations.items() if those == {1: "live"}]
    kept = [table for name in as_they_are for table in tables[name]]
    # Each statement is a commit, and each commit takes a while.
    owner.rows(f"truncate {', '.join([_STATE, *kept])}")
    for name in generations.keys() - as_they_are:
        owner.rows(f"drop table {', '.join(tables[name])} cascade")
        owner.rows("delete from generations where read_model = %(name)s", {"name": name})
        begin_generation(owner, name)
        owner.rows(
            "update generations set filled_at = now() where read_model = %(name)s", {"name": name}
        )
        owner.rows("select switch_generation(%(name)s, 1)", {"name": name})


def begin_generation(database: Database, read_model: str) -> int:
    """Begin a generation of the newest revision; return its number."""
    revision = read_model_named(read_model).newest
    ((number,),) = database.rows(
        "select begin_generation(%(name)s, %(revision)s)",
        {"name": read_model, "revision": revision},
    )
    return int(number)


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port: int = trial.getsockname()[1]
        return port


@contextlib.contextmanager
def running_databases(directory: Path) -> Iterator[Databases]:
    """Run both clusters, with their data in this directory."""
    passwords = load_or_create_passwords(directory / "passwords.json", ROLES)
    ports = {side: free_port() for side in ROLES}
    with Logs(directory / "logs", console=None) as logs, running_loop() as run:
        clusters = clusters_in(directory, ports, passwords, logs)
        databases = Databases(ports, passwords)
        try:
            run(start(clusters), 60)
            for side in ROLES:
                with databases.borrowed():
                    migrate(databases.owner(side), MIGRATIONS / side)
            with databases.borrowed():
                serve_new_read_models(databases.owner("write"), databases.owner("read"))
            with databases.borrowed():
                yield databases
        finally:
            run(stop(clusters), 30)


def clusters_in(
    directory: Path, ports: dict[str, int], passwords: dict[str, dict[str, str]], logs: Logs
) -> list[PostgresCluster]:
    """Return a cluster for each side, with its data in this directory."""
    return [
        PostgresCluster(
            side,
            directory / "postgres",
            port,
            passwords[side],
            logs=logs,
            logs_directory=directory / "logs",
        )
        for side, port in ports.items()
    ]


async def start(clusters: list[PostgresCluster]) -> None:
    await start_all(clusters)
    for cluster in clusters:
        await cluster.provide_roles()


async def start_all(clusters: list[PostgresCluster]) -> None:
    # A group, for none may still be starting when another has failed and all are stopped.
    async with asyncio.TaskGroup() as group:
        for cluster in clusters:
            group.create_task(cluster.start())


async def stop(clusters: list[PostgresCluster]) -> None:
    await asyncio.gather(*(cluster.stop() for cluster in clusters))


@contextlib.contextmanager
def running_loop() -> Iterator[Callable[[Coroutine[Any, Any, None], float], None]]:
    """Run an event loop in a thread; returns what runs a coroutine there for so many seconds."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def limited(work: Coroutine[Any, Any, None], seconds: float) -> None:
        async with asyncio.timeout(seconds):
            await work

    try:
        yield lambda work, seconds: asyncio.run_coroutine_threadsafe(
            limited(work, seconds), loop
        ).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
