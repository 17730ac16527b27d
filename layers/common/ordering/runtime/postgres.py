"""One PostgreSQL connection per Lambda environment, kept over invocations.

Every statement is its own transaction (autocommit) and one round trip: psycopg2 puts the
parameters into the statement. Commands set no session state, so an RDS Proxy may share their
connections; a statement over 16 KB, such as an order with some forty lines, pins one all the same.
So do the settings with which a query's connection starts. Projectors and the relay are few and work
all the time: they keep their statements' plans.

Statements are sent without blocking and their answers waited for here: the server's own timeouts
are no help where it has stopped, and TCP's none where its host still acknowledges.
"""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

import psycopg2
from psycopg2 import errorcodes
from psycopg2.extensions import parse_dsn

from .credentials import CredentialsUnavailableError, role_credentials
from .iam_token import database_token
from .link import Link, array
from .settings import IAM

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_CONNECT_SECONDS: Final = 3
_PATIENCE_SECONDS: Final = 11.0
"""More than the databases' own statement_timeout: where a server still works, it says no itself."""
# A host that went silent is noticed well within the ten seconds that a command has.
_OPTIONS: Final = {
    "connect_timeout": _CONNECT_SECONDS,
    "tcp_user_timeout": 3_000,
    "keepalives_idle": 3,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    # Set here, because neither the environment (PGCLIENTENCODING) nor a setting of the role or the
    # database may decide which characters a text can have.
    "client_encoding": "UTF8",
}
# SQLSTATEs of transient errors (PostgreSQL manual, appendix A).
_TEMPORARY_CLASSES: Final = {
    "08",  # connection exceptions
    "28",  # passwords and tokens rotate; a proxy signs in with the first statement
    "53",  # too many connections, out of memory, disk full
    "58",  # input and output errors of the server's system
}
_TEMPORARY_CODES: Final = {
    errorcodes.READ_ONLY_SQL_TRANSACTION,  # a standby, or a primary that was demoted
    errorcodes.SERIALIZATION_FAILURE,
    errorcodes.DEADLOCK_DETECTED,
    errorcodes.LOCK_NOT_AVAILABLE,
    errorcodes.QUERY_CANCELED,
    errorcodes.ADMIN_SHUTDOWN,
    errorcodes.CRASH_SHUTDOWN,
    errorcodes.CANNOT_CONNECT_NOW,
    errorcodes.DATABASE_DROPPED,
    errorcodes.IDLE_SESSION_TIMEOUT,
    errorcodes.UNDEFINED_TABLE,  # a migration is under way
    errorcodes.INVALID_SCHEMA_NAME,  # likewise
}

Row = tuple[Any, ...]
ResultT = TypeVar("ResultT")


class DatabaseUnavailableError(Exception):
    """The database did not answer. What was asked may or may not have happened; never half."""


def is_temporary(error: psycopg2.Error) -> bool:
    """Return whether the same statement may succeed when it is simply retried later.

    psycopg2's own classes do not show it: a standby that refuses to write is an InternalError,
    and an index entry that is too large is an OperationalError.
    """
    if error.pgcode is None:
        # The connection could not be opened or was lost: libpq gives no SQLSTATE for it. A bare
        # DatabaseError is an answer that libpq could not make sense of. The other classes are
        # mistakes in the call.
        is_of_connection = isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)
        return is_of_connection or type(error) is psycopg2.DatabaseError
    return error.pgcode[:2] in _TEMPORARY_CLASSES or error.pgcode in _TEMPORARY_CODES


class Database:
    """A lazily opened connection that is opened anew when the server went away.

    ``answer_by`` is when, by ``time.monotonic``, the caller needs its answers: the end of the
    invocation.
    """

    def __init__(
        self, conninfo: str, authentication: str, application: str, *, on_connect: str = ""
    ) -> None:
        """``on_connect`` is what each new connection starts with (the relay's LISTEN)."""
        self._conninfo = conninfo
        self._authentication = authentication
        self._application = application
        self._on_connect = on_connect
        self._link: Link | None = None
        self.answer_by = math.inf

    def _linked(self) -> Link:
        """Return an open connection.

        Raises:
            DatabaseUnavailableError: none could be opened now (see ``is_temporary``).
        """
        if self._link is not None and self._link.is_alive():
            return self._link
        self.close()
        until = min(self.answer_by, time.monotonic() + _CONNECT_SECONDS)
        try:
            self._link = link = Link(self._conninfo, self._options(), until)
            if self._on_connect:
                link.cursor.execute(self._on_connect)
                link.wait(until)
        except psycopg2.Error as error:
            self.close()
            if is_temporary(error):
                raise DatabaseUnavailableError(str(error)) from error
            raise
        return link

    def session(self) -> psycopg2.extensions.connection:
        """Open an ordinary connection that waits as long as it takes: for one long transaction.

        Raises:
            DatabaseUnavailableError: none could be opened now (see ``is_temporary``).
        """
        session: psycopg2.extensions.connection | None = None
        try:
            session = psycopg2.connect(self._conninfo, **self._options())
            if self._on_connect:
                with session, session.cursor() as cursor:
                    cursor.execute(self._on_connect)
        except psycopg2.Error as error:
            if session is not None:
                session.close()
            if is_temporary(error):
                raise DatabaseUnavailableError(str(error)) from error
            raise
        return session

    def wait_for_notification(self, channel: str, seconds: float) -> bool:
        """Sleep until a NOTIFY of ``channel`` arrives; False: none did within ``seconds``.

        A connection that is gone is opened anew; what was notified in between is not known.

        Raises:
            DatabaseUnavailableError: none could be opened now, or it went away while this waited.
        """
        until = time.monotonic() + seconds
        link = self._linked()
        while True:
            try:
                link.connection.poll()
            except psycopg2.Error as error:
                self.close()
                raise DatabaseUnavailableError(str(error)) from error
            arrived = {notify.channel for notify in link.connection.notifies}
            link.connection.notifies.clear()
            if channel in arrived:
                return True
            left = until - time.monotonic()
            if left <= 0:
                return False
            link.readable.poll(left * 1000)

    def rows(self, statement: str, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        """Run one statement in one round trip and give its rows.

        Raises:
            DatabaseUnavailableError: as of ``rows_meanwhile``.
        """
        return self.rows_meanwhile(statement, parameters, _nothing)[0]

    def rows_meanwhile(
        self,
        statement: str,
        parameters: Mapping[str, Any] | None,
        meanwhile: Callable[[], ResultT],
    ) -> tuple[list[Row], ResultT]:
        """Run one statement in one round trip, and ``meanwhile`` while the server works on it.

        ``meanwhile`` has nothing to do with this database. What it raises is raised here, when the
        server is done; but if the statement fails too, it is that failure.

        Raises:
            DatabaseUnavailableError: the server is down, starting, stopping, silent, read-only
                after a failover, out of connections, being migrated, or gave up on a lock or a
                timeout (see ``is_temporary``).
        """
        return self._run(self._linked(), statement, parameters, meanwhile)

    def rows_planned_once(
        self, statement: str, parameters: Mapping[str, Any], *, before: str = ""
    ) -> list[Row]:
        """Run a statement with parameters that each connection plans only once; give its rows.

        ``before`` are statements that come before, in the same transaction and the same round trip,
        and are planned each time. Lists are arrays. The connection starts with ``PLANNED_ONCE``.

        Raises:
            DatabaseUnavailableError: as of ``rows_meanwhile``.
        """
        link = self._linked()
        values = {
            name: array(value) if isinstance(value, list) else value
            for name, value in parameters.items()
        }
        preparation, execution = link.planned(statement)
        rows, _ = self._run(link, f"{preparation}{before}{execution}", values, _nothing)
        link.keep(statement, execution)
        return rows

    def _run(
        self,
        link: Link,
        statement: str,
        parameters: Mapping[str, Any] | None,
        meanwhile: Callable[[], ResultT],
    ) -> tuple[list[Row], ResultT]:
        try:
            link.cursor.execute(statement, parameters)
            until = min(self.answer_by, time.monotonic() + _PATIENCE_SECONDS)
            try:
                result = meanwhile()
            finally:
                link.wait(until)
            return (link.cursor.fetchall() if link.cursor.description is not None else []), result
        except psycopg2.Error as error:
            if not is_temporary(error):
                raise
            # Without an SQLSTATE it is the connection that failed, or is still waiting. After a
            # failover the old server may still take connections, but no writes: the next
            # connection looks for the new one.
            is_read_only = error.pgcode == errorcodes.READ_ONLY_SQL_TRANSACTION
            if error.pgcode is None or is_read_only or link.connection.closed:
                self.close()
            raise DatabaseUnavailableError(str(error)) from error

    def close(self) -> None:
        """Close the connection; the next statement opens another."""
        if self._link is not None:
            self._link.connection.close()
            self._link = None

    def _options(self) -> dict[str, Any]:
        return {**_OPTIONS, "application_name": self._application, **self._password()}

    def _password(self) -> dict[str, str]:
        if self._authentication != IAM:
            return {}
        parts = parse_dsn(self._conninfo)
        try:
            credentials = role_credentials()
        except CredentialsUnavailableError as error:
            raise DatabaseUnavailableError(f"no credentials to sign in with: {error}") from error
        token = database_token(
            host=parts["host"],
            port=int(parts.get("port", "5432")),
            user=parts["user"],
            credentials=credentials,
            now=datetime.now(UTC),
        )
        return {"password": token}


def _nothing() -> None:
    """Do nothing meanwhile."""
