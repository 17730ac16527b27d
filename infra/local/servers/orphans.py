"""Ends processes that are not the runner's children: those that a killed runner has left behind."""

import contextlib
import signal
import time
from collections.abc import Collection
from typing import Final

import psutil

_PATIENCE_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.01


def end(processes: Collection[psutil.Process]) -> None:
    """Ask them to end, and kill those that take too long.

    What resists even that is left: no later start is to stumble over it again.
    """
    # For PostgreSQL SIGTERM would wait for its clients.
    for number in (signal.SIGINT, signal.SIGKILL):
        running = [process for process in processes if runs(process)]
        for process in running:
            with contextlib.suppress(psutil.Error):  # it has just ended
                process.send_signal(number)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while any(map(runs, running)) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)


def runs(process: psutil.Process) -> bool:
    """Return whether a process is running: one that its parent has not reaped is a zombie."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
