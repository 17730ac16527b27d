"""Two PostgreSQL clusters as Aurora gives them: a master user that is no superuser, and IAM.

Members of ``rds_iam`` sign in without a password here; on Aurora it is a token that Amazon checks.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import boto3
import psycopg2

from infra.local.logs import Logs
from infra.local.servers.postgres import SUPERUSER
from ordering.runtime.postgres import Database
from tests.databases import clusters_in, free_port, running_loop, start_all, stop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MASTER: Final = "master"
MASTER_PASSWORD: Final = "planted-master-secret"  # noqa: S105 - looked for in what is logged
SUPERUSER_PASSWORD: Final = "superuser"  # noqa: S105 - of a server of this test's own
SIDES: Final = ("write", "read")
# As RDS has them (Amazon RDS User Guide, "Understanding PostgreSQL roles and permissions").
_AS_AURORA: Final = f"""
create role rds_iam nologin;
create role rds_superuser nologin;
grant rds_iam to rds_superuser with admin option;
create role {MASTER} login createrole createdb password '{MASTER_PASSWORD}' in role rds_superuser;
"""


@dataclass
class Aurora:
    """Where the two are."""

    ports: dict[str, int]

    def address(self, side: str, database: str = "ordering") -> str:
        return f"host=127.0.0.1 port={self.ports[side]} dbname={database}"

    def open(self, side: str, role: str, *, on_connect: str = "") -> Database:
        """Return a connection as a role that signs in with a token."""
        conninfo = f"{self.address(side)} user={role}"
        return Database(conninfo, "password-file", "test", on_connect=on_connect)

    def superuser(self, side: str, database: str = "postgres") -> Database:
        conninfo = f"{self.address(side, database)} user={SUPERUSER} password={SUPERUSER_PASSWORD}"
        return Database(conninfo, "password-file", "test")

    def begin_anew(self) -> None:
        """Leave nothing of any deployment."""
        for side in SIDES:
            superuser = self.superuser(side)
            superuser.rows("drop database if exists ordering with (force)")
            for (role,) in superuser.rows(
                "select rolname from pg_roles where rolname like 'ordering\\_%%'"
                " order by rolname = 'ordering_owner'",
                {},
            ):
                superuser.rows(f"drop role {role}")
            superuser.close()

    def keep_secrets(self) -> dict[str, str]:
        """Keep the master users' passwords as RDS keeps them; return the secrets' ARNs by side."""
        client = boto3.client("secretsmanager", region_name="us-east-1")
        held = json.dumps({"username": MASTER, "password": MASTER_PASSWORD})
        return {
            side: client.create_secret(Name=f"rds-{side}", SecretString=held)["ARN"]
            for side in SIDES
        }


@contextlib.contextmanager
def running_aurora(directory: Path) -> Iterator[Aurora]:
    """Run both, with their data in this directory."""
    ports = {side: free_port() for side in SIDES}
    with Logs(directory / "logs", console=None) as logs, running_loop() as run:
        passwords = {side: {SUPERUSER: SUPERUSER_PASSWORD} for side in SIDES}
        clusters = clusters_in(directory, ports, passwords, logs)
        aurora = Aurora(ports)
        try:
            run(start_all(clusters), 60)
            for side in SIDES:
                _make_aurora(aurora, side, directory / "postgres" / side / "pg_hba.conf")
            yield aurora
        finally:
            run(stop(clusters), 30)


def _make_aurora(aurora: Aurora, side: str, access: Path) -> None:
    access.write_text(f"host all +rds_iam 127.0.0.1/32 trust\n{access.read_text()}")
    superuser = psycopg2.connect(
        f"{aurora.address(side, 'postgres')} user={SUPERUSER} password={SUPERUSER_PASSWORD}"
    )
    with superuser, superuser.cursor() as cursor:
        cursor.execute(_AS_AURORA)
        cursor.execute("select pg_reload_conf()")
    superuser.close()
