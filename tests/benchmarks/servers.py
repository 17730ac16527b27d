"""The PostgreSQL servers of benchmarks: the write side, the read side, and the unified model.

Settings are the same for all, and the two servers of the one side have as much memory together as
the one of the other.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil

from infra.local.logs import Logs
from infra.local.servers.passwords import load_or_create_passwords
from infra.local.servers.postgres import DATABASE, OWNER, SUPERUSER, PostgresCluster
from tests.databases import ROLES, free_port, running_loop, start, stop

if TYPE_CHECKING:
    from collections.abc import Iterator

UNIFIED: Final = "unified"
SERVERS: Final = ("write", "read", UNIFIED)
_ROLES: Final = {**ROLES, UNIFIED: ["ordering_command", "ordering_query"]}
_SETTINGS: Final = {
    # A commit is durable. Checkpoints come by time, not in the middle of a measurement.
    "max_wal_size": "4GB",
    "effective_cache_size": "4GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "256MB",
    "random_page_cost": "1.1",
    "log_min_duration_statement": "-1",
}
_MEMORY: Final = {"write": "256MB", "read": "256MB", UNIFIED: "512MB"}


class Servers:
    """Servers that run in a directory."""

    def __init__(
        self, clusters: dict[str, PostgresCluster], passwords: dict[str, dict[str, str]]
    ) -> None:
        self._clusters = clusters
        self._passwords = passwords

    def conninfo(self, server: str, role: str = OWNER) -> str:
        """Return how to connect to a server's database as this role."""
        port, password = self._clusters[server].port, self._passwords[server][role]
        return f"host=127.0.0.1 port={port} dbname={DATABASE} user={role} password={password}"

    def superuser(self, server: str) -> str:
        """Return how to connect as the superuser."""
        return self.conninfo(server, SUPERUSER)

    def processes(self, server: str) -> list[psutil.Process]:
        """Return the server's process and all that it has started."""
        data = str(self._clusters[server]._data)  # noqa: SLF001 - known to the server alone
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                command = process.cmdline()
                if data in command and process.name() == "postgres":
                    return [process, *process.children(recursive=True)]
        raise LookupError(f"{server} does not run")


@contextlib.contextmanager
def running_servers(directory: Path) -> Iterator[Servers]:
    """Run the three servers with their data in the directory, which is kept."""
    directory.mkdir(parents=True, exist_ok=True)
    passwords = load_or_create_passwords(directory / "passwords.json", _ROLES)
    with Logs(directory / "logs", console=None) as logs, running_loop() as run:
        clusters = {
            name: PostgresCluster(
                name,
                directory / "postgres",
                free_port(),
                passwords[name],
                logs=logs,
                logs_directory=directory / "logs",
                settings=_SETTINGS | {"shared_buffers": _MEMORY[name]},
            )
            for name in SERVERS
        }
        try:
            run(start([*clusters.values()]), 120)
            yield Servers(clusters, passwords)
        finally:
            run(stop([*clusters.values()]), 120)


def size_of(directory: Path) -> int:
    """Return the bytes that the files of a directory take."""
    return sum(
        entry.stat().st_blocks * 512
        for path, _, files in os.walk(directory)
        for entry in (Path(path) / name for name in files)
    )
