"""Databases of their own for sample events, beside those of the running stack, and the way there.

A sample writes like any other event: in the stack's own databases it would leave orders that
nobody placed. Servers here listen on the loopback address, which is another one in a container: a
forwarder listens on the engine's network.
"""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import psutil
import psycopg2
from psycopg2 import sql
from psycopg2.extensions import make_dsn, parse_dsn

from infra.local.servers.ports import HOST
from infra.local.servers.postgres import DATABASE, OWNER, SUPERUSER
from infra.local.settings import ROOT
from infra.local.template import Template

SAMPLES: Final = f"{DATABASE}_samples"
_VARIABLES: Final = {"write": "WRITE_DATABASE", "read": "READ_DATABASE"}

Passwords = Mapping[str, Mapping[str, str]]


def create_databases(passwords: Passwords, ports: Mapping[str, int]) -> None:
    """Create both databases, empty; what an earlier time has left is dropped."""
    name, owner = sql.Identifier(SAMPLES), sql.Identifier(OWNER)
    for side, port in ports.items():
        connection = psycopg2.connect(
            host=HOST,
            port=port,
            user=SUPERUSER,
            password=passwords[side][SUPERUSER],
            dbname="postgres",
        )
        with contextlib.closing(connection):
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(sql.SQL("drop database if exists {} with (force)").format(name))
                cursor.execute(sql.SQL("create database {} owner {}").format(name, owner))


def variables_of(
    template: Template, passwords: Passwords, ports: Mapping[str, int], host: str
) -> str:
    """Return SAM's file of variables (--env-vars): what each function's are in a container."""
    file: dict[str, dict[str, str]] = {}
    for name, function in template.functions.items():
        variables = {"DATABASE_AUTHENTICATION": "password-file", "PGSSLMODE": "disable"}
        for side, variable in _VARIABLES.items():
            if written := function.environment.get(variable):
                user = parse_dsn(written).get("user", OWNER)
                variables[variable] = make_dsn(
                    host=host,
                    port=ports[side],
                    dbname=SAMPLES,
                    user=user,
                    password=passwords[side][user],
                )
        file[name] = variables
    return json.dumps(file, indent=2)


def start_forwarder(directory: Path, host: str, ports: Mapping[str, int]) -> None:
    """Forward connections to the servers' ports at `host` to this machine's own, until stopped."""
    stop_forwarder(directory)
    command = [sys.executable, "-m", "infra.local.sam.samples", host, *map(str, ports.values())]
    # It outlives this command, whose reader would wait for the end of what it inherits.
    with (directory / "forwarder.log").open("w") as log:
        process = subprocess.Popen(
            command, start_new_session=True, stdout=subprocess.PIPE, stderr=log, cwd=ROOT
        )
    (directory / "forwarder.pid").write_text(str(process.pid))
    assert process.stdout is not None  # noqa: S101 - it was asked for
    process.stdout.readline()  # it listens


def stop_forwarder(directory: Path) -> None:
    """Stop it, if it runs."""
    file = directory / "forwarder.pid"
    with contextlib.suppress(OSError, ValueError, psutil.NoSuchProcess):
        process = psutil.Process(int(file.read_text()))
        if "infra.local.sam.samples" in process.cmdline():
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=5)
    file.unlink(missing_ok=True)


async def _forward(host: str, ports: list[int]) -> None:
    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    def serve(port: int) -> object:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                there, back = await asyncio.open_connection(HOST, port)
            except OSError:
                writer.close()
                return
            await asyncio.gather(pump(reader, back), pump(there, writer))

        return connected

    for port in ports:
        await asyncio.start_server(serve(port), host, port)  # type: ignore[arg-type] # a coroutine function
    print("listening", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_forward(sys.argv[1], [int(port) for port in sys.argv[2:]]))
