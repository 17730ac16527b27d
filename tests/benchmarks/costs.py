"""What a side costs: processor time of its processes, and what its databases write."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

import psutil
import psycopg2

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .contest import Place

_CONNECTED: Final = "select pid, usename from pg_stat_activity where usename like 'ordering_%'"
_WRITTEN: Final = "select pg_current_wal_lsn() - '0/0', pg_database_size(current_database())"


def processor_seconds(place: Place) -> dict[str, float]:
    """Return the processor seconds that a side's processes have used so far, by what they are."""
    seconds = {"database": sum(_cpu_of(_server(owner)) for owner in place.owners.values())}
    if place.stack is None:
        return seconds
    runner = psutil.Process(place.stack.record.pid)
    seconds |= {"functions": 0.0, "broker": 0.0, "runner": sum(runner.cpu_times()[:2])}
    for child in runner.children():
        with contextlib.suppress(psutil.Error):
            if child.name() != "postgres":
                seconds["broker" if child.name() == "java" else "functions"] += _cpu_of(child)
    return seconds


def since(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """Return how much each figure has grown; what was not there before began at nothing."""
    return {name: figure - before.get(name, 0.0) for name, figure in after.items()}


def rows(owner: str, statement: str) -> list[tuple[Any, ...]]:
    """Ask a server, as the owner of its database."""
    with contextlib.closing(psycopg2.connect(owner)) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def seconds_by_role(place: Place) -> dict[str, float]:
    """Return the processor seconds that the open connections' servers have used, by their roles."""
    seconds: dict[str, float] = {}
    for owner in place.owners.values():
        for pid, role in rows(owner, _CONNECTED):
            with contextlib.suppress(psutil.Error):
                used = sum(psutil.Process(pid).cpu_times()[:2])
                seconds[role] = seconds.get(role, 0.0) + used
    return seconds


def _server(owner: str) -> psutil.Process:
    """Return the process of the server that is connected to so."""
    with contextlib.closing(psycopg2.connect(owner)) as connection, connection.cursor() as cursor:
        cursor.execute("select pg_backend_pid()")
        ((backend,),) = cursor.fetchall()
        server = psutil.Process(backend).parent()
    if server is None:
        raise LookupError("the server has ended")
    return server


def _cpu_of(process: psutil.Process) -> float:
    """Return the processor seconds of a process and all that it has started."""
    own = process.cpu_times()
    seconds: float = sum(own[:4])  # user, system, and those of its children that have ended
    for child in process.children(recursive=True):
        with contextlib.suppress(psutil.Error):
            seconds += sum(child.cpu_times()[:2])
    return seconds


def bytes_written(place: Place) -> tuple[int, int]:
    """Return the bytes of WAL written so far, and of all databases' files."""
    wal = disk = 0
    for owner in place.owners.values():
        ((position, size),) = rows(owner, _WRITTEN)
        wal += int(position)
        disk += size
    return wal, disk
