"""The PostgreSQL servers of benchmarks: the write side, the read side, and the unified model.

Settings are the same for all, and the two servers of the one side have as much memory together as
the one of the other.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from infra.local.logs import Logs
from infra.local.servers.passwords import load_or_create_passwords
from infra.local.servers.postgres import DATABASE, OWNER, SUPERUSER, PostgresCluster
from tests.databases import ROLES, free_port, running_loop, start, stop

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

UNIFIED: Final = "unified"
SERVERS: Final = ("write", "read", UNIFIED)
_ROLES: Final = {**ROLES, UNIFIED: ["ordering_command", "ordering_query"]}
MEMORY: Final = {"write": "256MB", "read": "256MB", UNIFIED: "512MB"}
"""Of each server: shared_buffers."""
_FOR_PLANS: Final = "-c random_page_cost=1.1 -c work_mem=16MB"
"""What lets the planner choose well for the unified model; plans of the read model need nothing."""


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
        conninfo = f"host=127.0.0.1 port={port} dbname={DATABASE} user={role} password={password}"
        return f"{conninfo} options='{_FOR_PLANS}'" if server == UNIFIED else conninfo

    def superuser(self, server: str) -> str:
        """Return how to connect as the superuser."""
        return self.conninfo(server, SUPERUSER)


@contextlib.contextmanager
def running_servers(directory: Path, names: Sequence[str] = SERVERS) -> Iterator[Servers]:
    """Run the servers with their data in the directory, which is kept."""
    (directory / "postgres").mkdir(parents=True, exist_ok=True)
    passwords = load_or_create_passwords(directory / "postgres" / "passwords.json", _ROLES)
    with Logs(directory / "logs", console=None) as logs, running_loop() as run:
        clusters = {
            name: PostgresCluster(
                name,
                directory / "postgres",
                free_port(),
                passwords[name],
                logs=logs,
                logs_directory=directory / "logs",
                memory=MEMORY[name],
            )
            for name in names
        }
        try:
            run(start([*clusters.values()]), 120)
            yield Servers(clusters, passwords)
        finally:
            run(stop([*clusters.values()]), 120)
