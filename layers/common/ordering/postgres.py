"""One PostgreSQL connection per Lambda environment, kept over invocations.

Every statement is its own transaction (autocommit) and one round trip: psycopg2 puts the
parameters into the statement. Nothing sets session state, so an RDS Proxy may share connections;
a statement over 16 KB, such as an order with some forty lines, pins one all the same.

Statements are sent without blocking and their answers waited for here: the server's own timeouts
are no help where it has stopped, and TCP's none where its host still acknowledges.
"""

from __future__ import annotations

import math
import select
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import psycopg2
from psycopg2 import errorcodes
from psycopg2.extensions import POLL_OK, POLL_READ, POLL_WRITE, parse_dsn

from .iam_token import database_token
from .settings import IAM, AwsCredentials, read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

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
}

Row = tuple[Any, ...]


class DatabaseUnavailableError(Exception):
    """The database did not answer. What was asked may or may not have happened; never half."""


class Database:
    """A lazily opened connection that is opened anew when the server went away.

    ``answer_by`` is when, by ``time.monotonic``, whoever uses it needs its answers: the end of the
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
        self._connection: psycopg2.extensions.connection | None = None
        self.answer_by = math.inf

    @property
    def connection(self) -> psycopg2.extensions.connection:
        """An open connection, asynchronous and in autocommit mode.

        Raises:
            DatabaseUnavailableError: none could be opened.
        """
        if self._connection is not None and self._is_alive(self._connection):
            return self._connection
        self.close()
        until = min(self.answer_by, time.monotonic() + _CONNECT_SECONDS)
        try:
            connection: psycopg2.extensions.connection = psycopg2.connect(
                self._conninfo, async_=True, **self._options()
            )
            self._connection = connection
            _wait(connection, until)
            if self._on_connect:
                with connection.cursor() as cursor:
                    cursor.execute(self._on_connect)
                    _wait(connection, until)
        except psycopg2.OperationalError as error:
            self.close()
            raise DatabaseUnavailableError(str(error)) from error
        return connection

    def session(self) -> psycopg2.extensions.connection:
        """Open an ordinary connection that waits as long as it takes: for one long transaction.

        Raises:
            DatabaseUnavailableError: none could be opened.
        """
        try:
            session: psycopg2.extensions.connection = psycopg2.connect(
                self._conninfo, **self._options()
            )
            if self._on_connect:
                with session, session.cursor() as cursor:
                    cursor.execute(self._on_connect)
        except psycopg2.OperationalError as error:
            raise DatabaseUnavailableError(str(error)) from error
        return session

    def wait_for_notification(self, channel: str, seconds: float) -> bool:
        """Sleep until a NOTIFY of ``channel`` arrives; False: none did within ``seconds``.

        A connection that is gone is opened anew; what was notified in between is not known.

        Raises:
            DatabaseUnavailableError: none could be opened, or it went away while this waited.
        """
        until = time.monotonic() + seconds
        connection = self.connection
        while True:
            try:
                connection.poll()
            except psycopg2.Error as error:
                self.close()
                raise DatabaseUnavailableError(str(error)) from error
            arrived = {notify.channel for notify in connection.notifies}
            connection.notifies.clear()
            if channel in arrived:
                return True
            left = until - time.monotonic()
            if left <= 0:
                return False
            select.select([connection], [], [], left)

    def rows(self, statement: str, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        """Run one statement in one round trip and give its rows.

        Raises:
            DatabaseUnavailableError: the server is down, starting, stopping, silent, read-only
                after a failover, out of connections, or gave up on a lock or a timeout.
        """
        connection = self.connection
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement, parameters)
                _wait(connection, min(self.answer_by, time.monotonic() + _PATIENCE_SECONDS))
                return cursor.fetchall() if cursor.description is not None else []
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            # Without an SQLSTATE it is the connection that failed, or is still waiting.
            if error.pgcode is None or connection.closed:
                self.close()
            raise DatabaseUnavailableError(str(error)) from error
        except psycopg2.Error as error:
            # After a failover the old endpoint may still take connections, but no writes.
            if error.pgcode == errorcodes.READ_ONLY_SQL_TRANSACTION:
                self.close()
                raise DatabaseUnavailableError(str(error)) from error
            raise

    def close(self) -> None:
        """Close the connection; the next statement opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @staticmethod
    def _is_alive(connection: psycopg2.extensions.connection) -> bool:
        if connection.closed:
            return False
        # A server that went away has closed the socket, which makes it readable: seen here in two
        # microseconds, instead of by a statement whose outcome would then be unknown. Its last
        # words, or a notification, are readable too: take them and look again.
        try:
            while select.select([connection], [], [], 0)[0]:
                connection.poll()
        except psycopg2.Error:
            return False
        return True

    def _options(self) -> dict[str, Any]:
        return {**_OPTIONS, "application_name": self._application, **self._password()}

    def _password(self) -> dict[str, str]:
        if self._authentication != IAM:
            return {}
        parts = parse_dsn(self._conninfo)
        token = database_token(
            host=parts["host"],
            port=int(parts.get("port", "5432")),
            user=parts["user"],
            credentials=read_settings(AwsCredentials),
            now=datetime.now(UTC),
        )
        return {"password": token}


def _wait(connection: psycopg2.extensions.connection, until: float) -> None:
    """Wait until what was sent on the connection is answered.

    Raises:
        psycopg2.Error: the answer is an error.
        psycopg2.OperationalError: there is no answer at that time, or no server any more.
    """
    while (state := connection.poll()) != POLL_OK:
        reading = [connection] if state == POLL_READ else []
        writing = [connection] if state == POLL_WRITE else []
        left = until - time.monotonic()
        if left <= 0 or not any(select.select(reading, writing, [], left)):
            raise psycopg2.OperationalError("the server does not answer")
