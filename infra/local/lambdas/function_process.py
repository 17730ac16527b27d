"""The operating system's side of an execution environment: one process and its process group."""

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, cast

_PIPE_BYTES: Final = 65_536
_PEAK_MEMORY: Final = re.compile(rb"VmHWM:\s*(\d+) kB")


class FunctionProcess:
    """A process in a group of its own. `on_output` gets what it writes, `on_exit` how it ended.

    The pipe is read here, not by asyncio's transport, so that `drain` can take what was written up
    to an answer before that answer is passed on.
    """

    def __init__(self, on_output: Callable[[bytes], None], on_exit: Callable[[str], None]) -> None:
        self.pid: int | None = None
        self._on_output = on_output
        self._on_exit = on_exit
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.SubprocessTransport | None = None
        self._output = -1
        self._status = -1
        self._killed = False
        self.exited: asyncio.Future[None] = self._loop.create_future()

    async def start(
        self, command: Sequence[str], directory: Path, variables: Mapping[str, str]
    ) -> None:
        """Start it; raises OSError, and then there is nothing left of it."""
        self._output, write_end = os.pipe()
        os.set_blocking(self._output, False)
        try:
            await self._loop.subprocess_exec(
                lambda: _Watch(self),
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=write_end,
                stderr=write_end,
                cwd=directory,
                env=variables,
                start_new_session=True,  # its children are in its group, and die with it
            )
        except OSError:
            self._close()
            raise
        finally:
            os.close(write_end)

    def kill(self) -> None:
        """Kill the process and its children, at once if it is there, else as soon as it is."""
        self._killed = True
        if self.pid is not None and not self.exited.done():
            self._kill_group(self.pid)

    def terminate(self, grace_seconds: float) -> None:
        """Ask the process to end, and kill it and its children when it has not in time."""
        if self.pid is None or self.exited.done():
            self.kill()
            return
        with contextlib.suppress(ProcessLookupError):  # it ended by itself just now
            os.kill(self.pid, signal.SIGTERM)
        timer = self._loop.call_later(grace_seconds, self.kill)
        self.exited.add_done_callback(lambda _: timer.cancel())

    def drain(self) -> None:
        """Pass on what the process has written so far."""
        while self._output >= 0:
            try:
                data = os.read(self._output, _PIPE_BYTES)
            except BlockingIOError:
                return
            if not data:
                self._loop.remove_reader(self._output)  # the pipe is closed
                return
            self._on_output(data)
            if len(data) < _PIPE_BYTES:
                return

    def peak_memory_mb(self) -> float:
        """Return the most memory it ever had resident; 0 where the system does not report it."""
        if self._status < 0:
            return 0.0
        try:
            match = _PEAK_MEMORY.search(os.pread(self._status, 2048, 0))
        except ProcessLookupError:
            return 0.0
        # Without the line it has exited and was not yet waited for.
        return int(match[1]) / 1024 if match else 0.0

    # ── what the operating system says ───────────────────────────────────────────────────────

    def started(self, transport: asyncio.SubprocessTransport) -> None:
        """Follow the process; it may exit before `start` returns."""
        self._transport = transport
        self.pid = transport.get_pid()
        self._loop.add_reader(self._output, self.drain)
        if sys.platform == "linux":
            self._status = os.open(f"/proc/{self.pid}/status", os.O_RDONLY)
        if self._killed:
            self._kill_group(self.pid)

    def ended(self) -> None:
        """Read its last output, end its children, and return how it exited."""
        if self.pid is None or self._transport is None:
            return
        self.drain()
        self._kill_group(self.pid)  # the group lives on where the process has left children
        self._close()
        code = self._transport.get_returncode()
        self._transport.close()
        self._on_exit(_exit_message(code))

    def _close(self) -> None:
        if self.pid is not None:
            self._loop.remove_reader(self._output)
        for descriptor in (self._output, self._status):
            if descriptor >= 0:
                os.close(descriptor)
        self._output = self._status = -1
        self.exited.set_result(None)

    @staticmethod
    def _kill_group(leader: int) -> None:
        with contextlib.suppress(ProcessLookupError):  # all its processes have ended
            os.killpg(leader, signal.SIGKILL)


class _Watch(asyncio.SubprocessProtocol):
    """Hears of the process from the event loop."""

    def __init__(self, process: FunctionProcess) -> None:
        self._process = process

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast, not a check: what uvloop gives has the methods and is no subclass.
        self._process.started(cast("asyncio.SubprocessTransport", transport))

    def process_exited(self) -> None:
        self._process.ended()


def _exit_message(returncode: int | None) -> str:
    """Return the message as Lambda writes it."""
    if not returncode:
        return "Runtime exited without providing a reason"
    if returncode < 0:
        name = signal.strsignal(-returncode) or str(-returncode)
        return f"Runtime exited with error: signal: {name.lower()}"
    return f"Runtime exited with error: exit status {returncode}"
