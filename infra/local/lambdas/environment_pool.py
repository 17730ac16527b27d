"""The environments of one function, and the invocations that wait for one."""

import asyncio
import os
import time
import uuid
from collections import deque
from dataclasses import dataclass
from typing import Final

from infra.local.lambdas.environment import Environment, Sandbox
from infra.local.lambdas.invocation import Invocation, Job, ServiceClosed, Throttled
from infra.local.lambdas.machine import Machine
from infra.local.lambdas.scaling import LOOK_SECONDS, Scaling
from infra.local.logs import Logs

_MAX_STARTING: Final = os.cpu_count() or 1  # starting is all processor time


@dataclass(frozen=True)
class FunctionStatus:
    """How one function is doing; `init_ms` is the latest cold start's, memory the most in MB."""

    pids: tuple[int, ...]
    busy: int
    idle: int
    starting: int
    waiting: int
    invocations: int
    errors: int
    init_ms: float
    max_memory_mb: float


class EnvironmentPool:
    """Hands invocations to environments: a free one, else the first that is free or ready."""

    def __init__(self, sandbox: Sandbox, machine: Machine, logs: Logs) -> None:
        self.function = sandbox.function
        self._sandbox = sandbox
        self._machine = machine
        self._logs = logs
        self._concurrency = sandbox.function.concurrency
        self._scaling = Scaling()
        self._look: asyncio.TimerHandle | None = None
        self._environments: set[Environment] = set()
        self._idle: list[Environment] = []  # the most recently used one is last, and used next
        self._starting: dict[Environment, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._waiting: deque[Job] = deque()
        self._active = 0
        self._invocations = 0
        self._errors = 0
        self._init_ms = 0.0
        self._memory_mb = 0.0
        self._closed = False

    def submit(
        self,
        payload: bytes,
        *,
        request_id: str | None = None,
        trace_id: str | None = None,
        client_context: str | None = None,
    ) -> asyncio.Future[Invocation]:
        """Accept an invocation and return its answer to come; raises Throttled.

        It is not run when the answer is cancelled before an environment has taken it.
        """
        if self._concurrency is not None and self._active >= self._concurrency:
            raise Throttled("Rate Exceeded.")
        self._active += 1
        self._invocations += 1
        answer: asyncio.Future[Invocation] = asyncio.get_running_loop().create_future()
        request_id = request_id or str(uuid.uuid4())
        job = Job(request_id, payload, answer, self._release, trace_id, client_context)
        if self._idle:
            self._assign(self._idle.pop(), job)
        else:
            if not self._waiting:
                self._scaling.queue_began(time.monotonic())
            self._waiting.append(job)
            answer.add_done_callback(lambda _: self._forget(job))
            self._start_missing()
        return answer

    def status(self) -> FunctionStatus:
        """Return how the function is doing."""
        idle, starting = len(self._idle), len(self._starting)
        return FunctionStatus(
            pids=tuple(sorted(e.pid for e in self._environments if e.pid is not None)),
            busy=len(self._environments) - idle - starting,
            idle=idle,
            starting=starting,
            waiting=len(self._waiting),
            invocations=self._invocations,
            errors=self._errors,
            init_ms=self._init_ms,
            max_memory_mb=max(
                (self._memory_mb, *(environment.memory_mb for environment in self._environments))
            ),
        )

    @property
    def least_recently_used(self) -> Environment | None:
        """The free environment that will be needed last, None when all are at work."""
        return self._idle[0] if self._idle else None

    def end_unused(self, oldest: float) -> None:
        """End the environments that were last used before `oldest` (monotonic seconds)."""
        for environment in [e for e in self._idle if e.last_used < oldest]:
            environment.shut_down()

    async def close(self) -> None:
        """Refuse what waits or runs, and end every process."""
        self._closed = True
        if self._look is not None:
            self._look.cancel()
        while self._waiting:
            self._waiting.popleft().refuse(ServiceClosed("the runner is shutting down"))
        for environment in list(self._environments):
            environment.shut_down()
        await asyncio.gather(*self._ending)

    # ── what an environment says ─────────────────────────────────────────────────────────────

    def ready(self, environment: Environment) -> None:
        """Give a new environment its first invocation."""
        self._starting.pop(environment, None)
        self._init_ms = environment.init_ms
        self._scaling.start_seconds = environment.init_ms / 1000
        self._logs.info(
            f"{self.function.stem}: new environment, pid {environment.pid}, "
            f"Init Duration: {environment.init_ms:.0f} ms"
        )
        self._next(environment)

    def finished(self, environment: Environment) -> None:
        """Give an environment its next invocation."""
        self._machine.rests(environment)
        self._next(environment)

    def gone(self, environment: Environment, init_error: bytes | None) -> None:
        """Forget an environment; what it could not even start on gets its error."""
        self._machine.rests(environment)
        self._memory_mb = max(self._memory_mb, environment.memory_mb)
        if environment in self._environments:
            self._environments.remove(environment)
            self._machine.environments -= 1
        if environment in self._idle:
            self._idle.remove(environment)
        starting = self._starting.pop(environment, None)
        closing = asyncio.get_running_loop().create_task(self._finish(environment, starting))
        self._ending.add(closing)
        closing.add_done_callback(self._ending.discard)
        if init_error is not None:
            text = init_error.decode(errors="replace")
            self._logs.error(f"{self.function.stem}: initialisation failed: {text}")
            if job := self._first_waiting():
                job.finish(init_error, "Unhandled")
        self._start_missing()

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    @staticmethod
    async def _finish(environment: Environment, starting: asyncio.Task[None] | None) -> None:
        """Wait until the process of an environment that is out of service is gone."""
        if starting is not None:
            await starting
        await environment.wait_ended()

    def _release(self, failed: bool) -> None:
        self._active -= 1
        self._errors += failed

    def _forget(self, job: Job) -> None:
        """Drop an invocation that still waits although its caller has gone."""
        if job.answer.cancelled() and job in self._waiting:
            self._waiting.remove(job)
            job.drop()

    def _first_waiting(self) -> Job | None:
        """Take the first invocation out of the queue whose caller still waits."""
        while self._waiting:
            job = self._waiting.popleft()
            if not job.answer.cancelled():
                self._scaling.taken += 1
                return job
            job.drop()
        return None

    def _next(self, environment: Environment) -> None:
        if job := self._first_waiting():
            self._assign(environment, job)
        else:
            self._idle.append(environment)

    def _assign(self, environment: Environment, job: Job) -> None:
        self._machine.works(environment)
        environment.assign(job)

    def _start_missing(self) -> None:
        """Start environments for those who wait: at once where there is none, else in a while."""
        if len(self._environments) == len(self._starting):
            self._start(_MAX_STARTING)
        if self._waiting and self._look is None and not self._closed:
            loop = asyncio.get_running_loop()
            self._look = loop.call_later(LOOK_SECONDS, self._look_again)

    def _look_again(self) -> None:
        self._look = None
        waiting = len(self._waiting)
        self._start(self._scaling.more(waiting, time.monotonic(), at_once=_MAX_STARTING))
        if waiting:
            self._start_missing()

    def _start(self, wanted: int) -> None:
        """Start as many as are wanted and can be of use, as far as there is room."""
        missing = len(self._waiting) - len(self._starting)
        for _ in range(min(wanted, missing, _MAX_STARTING - len(self._starting))):
            own = len(self._environments)
            if self._closed or own == self._concurrency or not self._machine.has_room(own):
                return
            environment = Environment(self._sandbox, self, self._logs)
            self._environments.add(environment)
            self._machine.environments += 1
            task = asyncio.get_running_loop().create_task(environment.start())
            self._starting[environment] = task
