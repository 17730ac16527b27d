"""A long-running process of the stack: started, watched, started again when it dies, stopped."""

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import BinaryIO, Final

from infra.local import environment
from infra.local.backoff import Restarts
from infra.local.logs import Logs

_POLL_SECONDS: Final = 0.01
_MAX_LOG_BYTES: Final = 10_000_000
_SHOWN_LOG_LINES: Final = 15
_FIRST_WAIT_SECONDS: Final = 0.05
_LONGEST_WAIT_SECONDS: Final = 5.0


class StartError(Exception):
    """A part of the stack cannot start; the message says why and, if known, what to do."""


@dataclass(frozen=True)
class Launch:
    """How a process is run.

    Its output is appended to `log`. `answers` is asked, with its pid, whether it takes requests.
    `stop_signal` asks it to end, and is what the kernel sends it if the runner is killed; after
    `stop_seconds` it is killed. `user` is the system user it runs as, None for the runner's own.
    `environment` is added to what every server gets. `directory` is where it works: one that its
    user is let into. `niceness` above 0 lets the other processes go first.
    """

    command: tuple[str, ...]
    log: Path
    answers: Callable[[int], bool]
    user: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path = Path("/")
    stop_signal: signal.Signals = signal.SIGTERM
    start_seconds: float = 60.0
    stop_seconds: float = 4.0
    niceness: int = 0


class Child:
    """One process. While started, its death is logged and it is started again, ever more slowly.

    `changed` is called whenever it has another pid; `prepare` does what is due each time it has
    started, before it counts as started, and may raise StartError.
    """

    def __init__(
        self,
        name: str,
        launch: Launch,
        logs: Logs,
        changed: Callable[[], None] = lambda: None,
        prepare: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.name = name
        self.pid: int | None = None
        self.launch = launch
        self._logs = logs
        self._changed = changed
        self._prepare = prepare
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it and wait until it answers. Raises StartError with its last log lines."""
        await self._start()
        self._watch = asyncio.create_task(self._keep_running())

    async def stop(self) -> None:
        """Ask it to end, and kill it when it takes too long. Nothing happens if it is not there."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        if self._process is None or self._process.returncode is not None:
            return
        self._send(self.launch.stop_signal)
        try:
            async with asyncio.timeout(self.launch.stop_seconds):
                await self._process.wait()
        except TimeoutError:
            self._logs.warning(f"{self.name} did not stop in time and is killed")
            self.kill()
            await self._process.wait()

    def kill(self) -> None:
        """Kill it and its process group at once."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def _start(self) -> None:
        launch = self.launch
        begun = time.monotonic()
        with _open_log(launch.log) as log:
            try:
                process = await asyncio.create_subprocess_exec(
                    *death_signal_command(launch.stop_signal, launch.user),
                    *launch.command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env={**environment.of_servers(), **launch.environment},
                    cwd=launch.directory,
                    start_new_session=True,  # Ctrl-C is for the runner, which stops all in order
                )
            except OSError as error:
                raise StartError(f"{self.name} cannot be started: {error}") from error
        self._process, self.pid = process, process.pid
        if launch.niceness:
            os.setpriority(os.PRIO_PROCESS, process.pid, launch.niceness)
        self._changed()
        while not launch.answers(process.pid):
            if process.returncode is not None:
                raise StartError(
                    f"{self.name} ended while it was starting ({_how(process.returncode)}):\n"
                    + _last_lines(launch.log)
                )
            if time.monotonic() > begun + launch.start_seconds:
                self.kill()
                await process.wait()
                raise StartError(
                    f"{self.name} does not answer after {launch.start_seconds:.0f} s:\n"
                    + _last_lines(launch.log)
                )
            await asyncio.sleep(_POLL_SECONDS)
        if self._prepare is not None:
            await self._prepare()

    async def _keep_running(self) -> None:
        restarts = Restarts(_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS)
        while self._process is not None:
            code = await self._process.wait()
            self._logs.error(f"{self.name} (pid {self.pid}) has died: {_how(code)}; starting again")
            died = time.monotonic()
            await asyncio.sleep(restarts.broke())
            restarts.begin()
            try:
                await self._start()
            except StartError as error:
                self._logs.error(str(error))
            else:
                seconds = time.monotonic() - died
                self._logs.info(f"{self.name} is back after {seconds:.1f} s, pid {self.pid}")

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)


async def run_to_end(
    *command: str, variables: Mapping[str, str] | None = None, directory: Path = Path("/")
) -> tuple[int, str]:
    """Run a tool and return its exit status and all that it wrote; it ends if this is cancelled.

    `variables` is its whole environment, by default that of a server. Raises StartError when it
    cannot be run at all.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment.of_servers() if variables is None else variables,
            cwd=directory,
            start_new_session=True,
        )
    except OSError as error:
        raise StartError(f"{command[0]} cannot be run: {error}") from error
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    return await process.wait(), output.decode(errors="replace")


def death_signal_command(
    number: signal.Signals | None = None, user: str | None = None
) -> tuple[str, ...]:
    """Return what goes in front of a command so that it gets `number` when the runner is killed.

    It runs as the system user `user`, if one is named. Raises StartError where that needs
    util-linux's setpriv and there is none; without it the death signal alone is left out, and the
    next start ends what a killed runner has left behind.
    """
    setpriv = _setpriv()
    if setpriv is None:
        if user is None:
            return ()
        raise StartError(f"to run as root, setpriv of util-linux is needed: it becomes {user}")
    options: list[str] = []
    if number is not None:
        options += ["--pdeathsig", number.name.removeprefix("SIG")]
    if user is not None:
        entry = pwd.getpwnam(user)
        options += [f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]
    return (setpriv, *options, "--") if options else ()


@cache
def _setpriv() -> str | None:
    path = shutil.which("setpriv")
    if path is None:
        return None
    usage = subprocess.run([path, "--help"], capture_output=True, text=True, check=False)
    return path if "--pdeathsig" in usage.stdout else None  # busybox's has another meaning


def _open_log(path: Path) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > _MAX_LOG_BYTES:
        path.replace(path.with_name(f"{path.name}.1"))
    return path.open("ab")


def _last_lines(path: Path) -> str:
    lines = path.read_text(errors="replace").splitlines()[-_SHOWN_LOG_LINES:]
    return "\n".join(f"    {line}" for line in lines)


def _how(code: int) -> str:
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit status {code}"
