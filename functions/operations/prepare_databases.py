"""With the first deployment: both databases get their owner, who signs in with IAM tokens only.

The owner makes everything else (``migrate``). The master user's password is read from its secret,
used once and kept nowhere.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, Final

import boto3
import psycopg2
from psycopg2 import sql
from psycopg2.extensions import make_dsn

from ordering.runtime.custom_resource import carry_out
from ordering.runtime.observability import logger
from ordering.runtime.postgres import Database
from ordering.runtime.settings import Preparation, function_stem, read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ordering.runtime.custom_resource import Done

_DATABASE: Final = "ordering"
_OWNER: Final = "ordering_owner"
# Two at once must not create one role twice; the number is arbitrary, but fixed.
_LOCK: Final = "select pg_advisory_lock(7230515)"
_HAS_ROLE: Final = "select exists (select from pg_roles where rolname = %s)"
_HAS_DATABASE: Final = "select exists (select from pg_database where datname = %s)"
_IAM: Final = "rds_iam"


class NoIamError(RuntimeError):
    """The server has no role ``rds_iam``: it is no Aurora or RDS with IAM authentication."""


def prepare(connection: psycopg2.extensions.connection) -> bool:
    """Create owner and database if they are missing; return whether anything was.

    The owner may create roles, and let them sign in with tokens; it is no superuser.

    Raises:
        NoIamError: nobody could sign in with a token.
        psycopg2.Error: the master user may not do this.
    """
    with connection.cursor() as cursor:

        def is_there(question: str, name: str) -> bool:
            cursor.execute(question, [name])
            return bool(cursor.fetchall()[0][0])

        cursor.execute(_LOCK)
        if not is_there(_HAS_ROLE, _IAM):
            raise NoIamError(f"the server has no role {_IAM}: enable IAM authentication")
        has_owner = is_there(_HAS_ROLE, _OWNER)
        owner, database = sql.Identifier(_OWNER), sql.Identifier(_DATABASE)
        if not has_owner:
            cursor.execute(sql.SQL("create role {} login createrole").format(owner))
        # Always, since an earlier try may have come no further.
        iam = sql.SQL("grant {} to {} with admin option")
        cursor.execute(iam.format(sql.Identifier(_IAM), owner))
        has_database = is_there(_HAS_DATABASE, _DATABASE)
        if not has_database:
            # Whoever makes a database for another role has to be able to become that role.
            cursor.execute(sql.SQL("grant {} to current_user").format(owner))
            cursor.execute(sql.SQL("create database {} owner {}").format(database, owner))
            cursor.execute(sql.SQL("revoke {} from current_user").format(owner))
    return not (has_owner and has_database)


@contextlib.contextmanager
def _as_master(database: str, secret: str) -> Iterator[psycopg2.extensions.connection]:
    client = boto3.client("secretsmanager")
    held = json.loads(client.get_secret_value(SecretId=secret)["SecretString"])
    conninfo = make_dsn(database, user=held["username"], password=held["password"])
    connection = Database(conninfo, "password", function_stem()).session()
    try:
        connection.autocommit = True  # a database is created outside of any transaction
        yield connection
    finally:
        connection.close()


def _prepare_both() -> Done:
    settings = read_settings(Preparation)
    done: dict[str, str] = {}
    for side, database, secret in (
        ("write", settings.write_database, settings.write_master_secret),
        ("read", settings.read_database, settings.read_master_secret),
    ):
        if not secret:
            done[side] = "exists"  # and is somebody else's to prepare
            continue
        with _as_master(database, secret) as connection:
            done[side] = "created" if prepare(connection) else "unchanged"
    logger.info("prepared the databases", extra=done)
    return done, {}


def handler(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """Prepare both databases, as far as their master users' secrets are given."""
    return carry_out(event, _prepare_both)
