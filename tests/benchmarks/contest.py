"""Each side of a comparison while it is served, on copies of a data set's databases.

Of the unified model one PostgreSQL server runs. Of the read model the whole system runs as on one
machine: both servers, the broker, the relay and a projector per read model, each in a process as
Lambda's runtime has it.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

import psycopg2

from tests.running_stack import RunningStack, free_ports

from .asked import draw
from .data.dataset import SEED, copy_tree, scratch
from .servers import MEMORY, UNIFIED, running_servers
from .sides import THEIRS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .asked import Sample
    from .data.dataset import Dataset


class Place(NamedTuple):
    """A side that is being served: how to connect, and whose processor time counts."""

    side: str
    commands: str
    questions: str
    owners: dict[str, str]
    """How to connect to each server as its owner."""
    stack: RunningStack | None


class Contest:
    """Copies of a data set's databases, on which the sides are served by turns."""

    def __init__(self, directory: Path, kafka: str) -> None:
        self._directory = directory
        self._kafka = kafka

    def sample(self) -> Sample:
        """Return some of what the data set has, to ask for."""
        with self.place(THEIRS) as place:
            return draw(place.owners[UNIFIED], SEED)

    @contextlib.contextmanager
    def place(self, side: str) -> Iterator[Place]:
        """Start a side; stop it at the end."""
        if side == THEIRS:
            with running_servers(self._directory / "theirs", (UNIFIED,)) as servers:
                commands, questions = (
                    servers.conninfo(UNIFIED, role)
                    for role in ("ordering_command", "ordering_query")
                )
                owner = servers.superuser(UNIFIED)
                yield Place(side, commands, questions, {UNIFIED: owner}, None)
            return
        stack = _Stack(self._directory / "ours", free_ports(), self._kafka)
        try:
            stack.start()
            ports = stack.record.ports
            of = {"write": ports.write_database, "read": ports.read_database}

            def conninfo(server: str, role: str) -> str:
                passfile = stack.record.pgpass
                return (
                    f"host=127.0.0.1 port={of[server]} dbname=ordering user={role}"
                    f" passfile='{passfile}'"
                )

            yield Place(
                side,
                conninfo("write", "ordering_command"),
                conninfo("read", "ordering_query"),
                {server: conninfo(server, "ordering_owner") for server in of},
                stack,
            )
        finally:
            stack.run("down")


class _Stack(RunningStack):
    """The stack, with the memory for its databases that the unified model has."""

    def command(self, *arguments: str) -> list[str]:
        return [*super().command(*arguments), f"--database-memory={MEMORY['read']}"]


@contextlib.contextmanager
def contest(dataset: Dataset, kafka: str = "apache") -> Iterator[Contest]:
    """Copy the data set's databases, for both sides; the copies are deleted at the end."""
    with scratch(dataset.directory.parent.parent / "running") as directory:
        for name, names in {"ours": ("write", "read"), "theirs": (UNIFIED,)}.items():
            target = directory / name / "postgres"
            target.mkdir(parents=True)
            for each in (*names, "passwords.json"):
                copy_tree(dataset.directory / "postgres" / each, target)
        with (
            running_servers(directory / "ours", ("read",)) as servers,
            contextlib.closing(psycopg2.connect(servers.conninfo("read"))) as connection,
            connection,
            connection.cursor() as cursor,
        ):
            # The topic is empty yet, and its partitions are others than those of the data set.
            cursor.execute("truncate watermarks")
        yield Contest(directory, kafka)
