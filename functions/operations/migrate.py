"""With each deployment, before its functions change: both databases get the newest schema."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ordering.runtime.custom_resource import carry_out
from ordering.runtime.observability import logger
from ordering.runtime.postgres import Database
from ordering.runtime.settings import Migrations, function_stem, read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordering.runtime.custom_resource import Done

# Two deployments at once must not run one file twice; the number is arbitrary, but fixed.
# Neither the wait for the other deployment nor a long migration is a request that has to be quick;
# a lock on a table is: behind a migration that waits for one, everybody waits.
_LOCK: Final = """
set local statement_timeout = 0;
set local lock_timeout = 0;
select pg_advisory_xact_lock(7230514);
set local lock_timeout = '10s'
"""
_HISTORY: Final = """
create table if not exists schema_migrations (
  name text primary key,
  digest text not null,
  applied_at timestamptz not null default now()
)
"""
_APPLIED: Final = "select name, digest from schema_migrations"
_RECORD: Final = "insert into schema_migrations (name, digest) values (%(name)s, %(digest)s)"
_IS_EMPTY: Final = "select not exists (select from orders)"
_SERVE: Final = """
with unserved as (
  update generations as g set filled_at = clock_timestamp() where g.state = 'building'
    and not exists (
      select from generations as o where o.read_model = g.read_model and o.state = 'live'
    )
  returning read_model, generation
)
select read_model, generation from unserved
"""
_SWITCH: Final = "select switch_generation(%(read_model)s, %(generation)s)"


class ChangedMigrationError(RuntimeError):
    """A file that was applied before has other content now: write a new one instead."""


def migrate(database: Database, directory: Path) -> list[str]:
    """Apply the numbered SQL files of ``directory`` that are new, all or none; return their names.

    Raises:
        ChangedMigrationError: an applied file differs from what was applied.
        psycopg2.Error: a file's SQL is wrong; nothing of any file is kept.
    """
    applied: list[str] = []
    connection = database.session()
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(_LOCK)
            cursor.execute(_HISTORY)
            cursor.execute(_APPLIED)
            known: dict[str, str] = dict(cursor.fetchall())
            for file in sorted(directory.glob("[0-9]*.sql")):
                statements = file.read_text(encoding="utf-8")
                digest = hashlib.sha256(statements.encode()).hexdigest()
                if file.name in known:
                    if known[file.name] != digest:
                        raise ChangedMigrationError(f"{file.name} was changed after it was applied")
                    continue
                cursor.execute(statements)
                cursor.execute(_RECORD, {"name": file.name, "digest": digest})
                applied.append(file.name)
    finally:
        connection.close()
    return applied


def serve_new_read_models(write: Database, read: Database) -> None:
    """Let queries read each new read model at once, if there are no orders to fill it with.

    The projectors write a generation from its beginning on: an order that is placed meanwhile is in
    it.
    """
    if write.rows(_IS_EMPTY) == [(True,)]:
        for read_model, generation in read.rows(_SERVE):
            read.rows(_SWITCH, {"read_model": read_model, "generation": generation})


def newest(directory: Path) -> str:
    """Return the names of the newest files of both databases: the schema that they make."""
    sides = {side: sorted((directory / side).glob("[0-9]*.sql")) for side in ("write", "read")}
    for side, files in sides.items():
        if not files:
            raise FileNotFoundError(f"no migrations in {directory / side}")
    return " ".join(f"{side}/{files[-1].stem}" for side, files in sides.items())


def _migrate_both() -> Done:
    settings = read_settings(Migrations)
    directory = Path(settings.migrations_directory)
    schema = newest(directory)
    answer: dict[str, list[str]] = {}
    databases: dict[str, Database] = {}
    for side, conninfo in (("write", settings.write_database), ("read", settings.read_database)):
        database = Database(conninfo, settings.database_authentication, function_stem())
        databases[side] = database
        answer[side] = migrate(database, directory / side)
    serve_new_read_models(databases["write"], databases["read"])
    logger.info("migrated", extra={"applied": answer})
    return answer, {"Schema": schema}


def handler(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """Migrate both databases; the answer names the files applied now."""
    return carry_out(event, _migrate_both)
