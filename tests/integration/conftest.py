"""Two real PostgreSQL clusters, migrated, for all tests of this height."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from ordering.read_side import waiting
from tests.databases import empty_read_side, running_databases
from tests.integration.commands_on_postgres import CountingDatabase
from tests.integration.read_side_world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ordering.runtime.postgres import Database
    from tests.databases import Databases


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    with running_databases(tmp_path_factory.mktemp("databases")) as databases:
        # Neither server is killed here, so no test has to wait for the disk.
        with databases.borrowed():
            for side in ("read", "write"):
                databases.owner(side).rows("alter database ordering set synchronous_commit = off")
        yield databases


@pytest.fixture(autouse=True)
def _borrowed(request: pytest.FixtureRequest) -> Iterator[None]:
    """Close the connections that a test has opened; those of wider fixtures are older, and stay."""
    if "databases" not in request.fixturenames:
        yield
        return
    databases: Databases = request.getfixturevalue("databases")
    with databases.borrowed():
        yield


@pytest.fixture
def database(databases: Databases) -> Iterator[CountingDatabase]:
    """Return a command's connection to the write database."""
    database = CountingDatabase(databases.conninfo("write", "ordering_command"), "none", "test")
    with contextlib.closing(database):
        yield database


@pytest.fixture
def owner(databases: Databases) -> Database:
    """Return the owner's connection to the write database."""
    return databases.owner("write")


@pytest.fixture
def projector(databases: Databases) -> Database:
    """Return a projector's connection to the read database, which is empty."""
    empty_read_side(databases.owner("read"))
    return databases.open("read", "ordering_projector")


@pytest.fixture
def queries(databases: Databases) -> Database:
    """Return a query's connection to the read database."""
    return databases.open("read", "ordering_query")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Let waits take no time: sleeping moves the clock that they are measured with."""
    clock = SimpleNamespace(now=0.0)

    def sleep(seconds: float) -> None:
        clock.now += seconds

    monkeypatch.setattr(waiting, "time", SimpleNamespace(monotonic=lambda: clock.now, sleep=sleep))
    return clock


@pytest.fixture
def world(databases: Databases) -> Iterator[World]:
    """A log of some orders whose topic is empty by now: nothing of them is delivered any more."""
    world = World(databases)
    world.record(120, 5)
    for model in world.models.values():
        model.offsets = [len(records) for records in world.topic]
        world.read.rows(
            "insert into watermarks (projection, partition, partitions, next_offset)"
            " select %(name)s, n, %(partitions)s, offsets[n + 1]"
            " from (select %(offsets)s::bigint[] as offsets) as o, generate_series(0, 2) as n",
            {"name": model.name, "partitions": len(world.topic), "offsets": model.offsets},
        )
    yield world
    empty_read_side(world.read)
