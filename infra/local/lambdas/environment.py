"""One execution environment: a process with the real Lambda runtime client and one function."""

import asyncio
import shutil
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Final, Protocol

from infra.local.lambdas.function_process import FunctionProcess
from infra.local.lambdas.invocation import MAX_RESPONSE_BYTES, Job, ServiceClosed, error_payload
from infra.local.lambdas.runtime_api import RuntimeApi
from infra.local.logs import LineSplitter, Logs
from infra.local.template.model import Function

_LOG_TAIL_BYTES: Final = 4096
_LOG_KEPT_BYTES: Final = 65_536
_SHUTDOWN_SECONDS: Final = 0.5


class State(Enum):
    """Where an environment is in its life."""

    STARTING = auto()
    IDLE = auto()
    BUSY = auto()
    GONE = auto()


@dataclass(frozen=True)
class Sandbox:
    """What all environments of one function are started with.

    `launcher` is the command in front of the interpreter; `variables` the whole environment but
    for what is different in each process; `scratch` holds their temporary directories.
    """

    function: Function
    function_arn: str
    launcher: tuple[str, ...]
    variables: Mapping[str, str]
    scratch: Path
    init_seconds: float


class Owner(Protocol):
    """What an environment calls when its state changes."""

    def ready(self, environment: "Environment") -> None:
        """Hear that the function is initialised and takes its first invocation."""

    def finished(self, environment: "Environment") -> None:
        """Hear that an invocation is over and the next one can come."""

    def gone(self, environment: "Environment", init_error: bytes | None) -> None:
        """Hear that no more can come; `init_error` says why it never took one."""


class Environment:
    """A process that runs one invocation at a time, and the Runtime API it is fed through.

    `memory_mb` is the most it ever had resident; `last_used` is in monotonic seconds.
    """

    def __init__(self, sandbox: Sandbox, owner: Owner, logs: Logs) -> None:
        self.state = State.STARTING
        self.init_ms = 0.0
        self.memory_mb = 0.0
        self.last_used = time.monotonic()
        self._sandbox = sandbox
        self._stem = sandbox.function.stem
        self._owner = owner
        self._logs = logs
        self._name = uuid.uuid4().hex
        self._scratch = sandbox.scratch / self._name
        self._loop = asyncio.get_running_loop()
        self._api = RuntimeApi(self)
        self._process = FunctionProcess(self._wrote, self._exited)
        self._mailbox: asyncio.Future[Job] = self._loop.create_future()
        self._job: Job | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._init_error: bytes | None = None
        self._has_extension = False
        self._log_tail = bytearray()
        self._lines = LineSplitter(lambda lines: logs.lines(self._stem, lines))
        self._started = time.monotonic()

    @property
    def pid(self) -> int | None:
        """The process id, None before there is one."""
        return self._process.pid

    @property
    def function_arn(self) -> str:
        """The ARN the runtime is to show its handler."""
        return self._sandbox.function_arn

    # ── what the owner does ──────────────────────────────────────────────────────────────────

    async def start(self) -> None:
        """Start the process; the owner is notified whether the function initialised."""
        sandbox = self._sandbox
        command = (*sandbox.launcher, sys.executable, "-m", "awslambdaric")
        try:
            port = await self._api.start()
            self._scratch.mkdir(parents=True)
            await self._process.start(
                (*command, sandbox.function.handler), sandbox.function.code, self._variables(port)
            )
        except OSError as error:
            self._init_error = error_payload("Runtime.ExitError", f"Error: cannot start: {error}")
            if not self._process.exited.done():
                self._process.exited.set_result(None)
            self._retire()
            return
        if self.state is State.STARTING:
            self._timer = self._loop.call_later(sandbox.init_seconds, self._init_timed_out)

    def assign(self, job: Job) -> None:
        """Run an invocation; the environment must be idle."""
        timeout = self._sandbox.function.timeout
        job.take(timeout)
        self.state = State.BUSY
        self._job = job
        self._log_tail.clear()
        self._timer = self._loop.call_later(timeout, self._timed_out, job)
        self._mailbox.set_result(job)

    def sample_memory(self) -> None:
        """Look at the memory of the process, and end it when it has more than its function may."""
        self.memory_mb = max(self.memory_mb, self._process.peak_memory_mb())
        if self.memory_mb > self._sandbox.function.memory:
            self._fail("Runtime.OutOfMemory", "Runtime exited with error: signal: killed")
            self.end()

    def end(self) -> None:
        """Take the environment out of service and kill its process."""
        self._leave_service()
        self._process.kill()

    def shut_down(self) -> None:
        """Take the environment out of service; its process may put its things in order first.

        With an extension registered it gets SIGTERM, and half a second; else it is killed, as on
        AWS.
        """
        self._leave_service()
        if self._has_extension:
            self._process.terminate(_SHUTDOWN_SECONDS)
        else:
            self._process.kill()

    async def wait_ended(self) -> None:
        """Wait until the process is gone and nothing of it is left."""
        await self._process.exited
        await self._api.close()
        shutil.rmtree(self._scratch, ignore_errors=True)  # what is left goes at the next start

    # ── what the runtime says ────────────────────────────────────────────────────────────────

    async def next_job(self) -> Job:
        """Wait for the next invocation; the first call says that the function is initialised."""
        if self.state is State.STARTING:
            self._cancel_timer()
            self.init_ms = (time.monotonic() - self._started) * 1000
            self.state = State.IDLE
            self._owner.ready(self)
        job = await self._mailbox
        self._mailbox = self._loop.create_future()
        return job

    def answered(self, request_id: str, body: bytes, function_error: str | None) -> bool:
        """Take the handler's answer or error; False when no such invocation is running."""
        job = self._job
        if job is None or job.request_id != request_id:
            return False
        # The lines of this invocation are in the pipe by now, but the loop may not have seen them.
        self._process.drain()
        self.sample_memory()
        if self.state is not State.BUSY:  # over its memory, and already answered so
            return True
        self._job = None
        self._cancel_timer()
        # Free as of now, not when it asks for the next one: a caller who continues at once would
        # otherwise find it busy and start another environment.
        self.state = State.IDLE
        self.last_used = time.monotonic()
        if self._logs.wants_debug:
            self._logs.debug(
                f"{self._stem}: REPORT RequestId: {request_id} "
                f"Duration: {(self.last_used - job.started) * 1000:.2f} ms "
                f"Max Memory Used: {self.memory_mb:.0f} MB"
            )
        job.finish(body, function_error, self._tail())
        self._owner.finished(self)
        return True

    def answer_too_large(self) -> None:
        """Answer with Lambda's error; the runtime gives up when it gets a 413."""
        limit = MAX_RESPONSE_BYTES
        self._fail(
            "Function.ResponseSizeTooLarge",
            f"Response payload size exceeded maximum allowed payload size ({limit} bytes).",
        )
        self.end()

    def init_failed(self, body: bytes) -> None:
        """Keep the error for the invocation that waits; the runtime exits by itself."""
        self._init_error = body

    def extension_registered(self) -> None:
        """Have the process told before it ends."""
        self._has_extension = True

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def _leave_service(self) -> None:
        if self._job is not None:
            self._job.refuse(ServiceClosed("the runner is shutting down"))
            self._job = None
        self._retire()

    def _variables(self, port: int) -> dict[str, str]:
        date = time.strftime("%Y/%m/%d", time.gmtime())
        return {
            **self._sandbox.variables,
            "AWS_LAMBDA_LOG_STREAM_NAME": f"{date}/[$LATEST]{self._name}",
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}",
            "TMPDIR": str(self._scratch),  # Lambda's /tmp is private to an environment too
        }

    def _wrote(self, data: bytes) -> None:
        self._log_tail += data
        if len(self._log_tail) > _LOG_KEPT_BYTES:
            del self._log_tail[:-_LOG_TAIL_BYTES]
        self._lines.feed(data)

    def _exited(self, message: str) -> None:
        self._lines.end()
        if self.state is State.GONE:
            return
        if self.state is State.STARTING and self._init_error is None:
            self._init_error = error_payload("Runtime.ExitError", f"Error: {message}")
        elif self.state is State.IDLE:
            self._logs.error(f"{self._stem}: {message} while idle")
        self._fail("Runtime.ExitError", message)
        self._retire()

    def _init_timed_out(self) -> None:
        seconds = self._sandbox.init_seconds
        self._init_error = error_payload(
            "Sandbox.Timedout", f"Error: Initialisation timed out after {seconds:.2f} seconds"
        )
        self.end()

    def _timed_out(self, job: Job) -> None:
        if job is self._job:
            self._process.drain()
            seconds = self._sandbox.function.timeout
            self._fail("Sandbox.Timedout", f"Task timed out after {seconds:.2f} seconds")
            self.end()

    def _fail(self, error_type: str, message: str) -> None:
        """Answer the running invocation, if any, with an error of the environment."""
        job, self._job = self._job, None
        if job is not None:
            self._logs.error(f"{self._stem}: RequestId: {job.request_id} Error: {message}")
            job.fail(error_type, message, self._tail())

    def _retire(self) -> None:
        """Take the environment out of service, once; its process may still be there."""
        if self.state is not State.GONE:
            init_error = self._init_error if self.state is State.STARTING else None
            self.state = State.GONE
            self._cancel_timer()
            self._mailbox.cancel()
            self._owner.gone(self, init_error)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tail(self) -> str:
        return self._log_tail[-_LOG_TAIL_BYTES:].decode(errors="replace") if self._log_tail else ""
