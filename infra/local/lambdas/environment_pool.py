"""The environments of one function, and the invocations that wait for one."""

import asyncio
import uuid
from collections import deque
from dataclasses import dataclass
from typing import Final

from infra.local.lambdas.environment import Environment, Sandbox
from infra.local.lambdas.invocation import Invocation, Job, ServiceClosed, Throttled
from infra.local.logs import Logs

_MEMORY_SAMPLE_SECONDS: Final = 0.05


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


class MemoryWatch:
    """Looks at the memory of the environments that are running something, and at no others."""

    def __init__(self) -> None:
        self._busy: set[Environment] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, environment: Environment) -> None:
        """Watch an environment that has taken an invocation."""
        self._busy.add(environment)
        if self._timer is None:
            self._wait()

    def remove(self, environment: Environment) -> None:
        """Stop watching it."""
        self._busy.discard(environment)

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_MEMORY_SAMPLE_SECONDS, self._sample)

    def _sample(self) -> None:
        self._timer = None
        for environment in list(self._busy):
            environment.sample_memory()
        if self._busy:
            self._wait()


class EnvironmentPool:
    """Hands invocations to environments: a free one, else a new one, else the first to be free."""

    def __init__(
        self, sandbox: Sandbox, max_environments: int, memory: MemoryWatch, logs: Logs
    ) -> None:
        self.function = sandbox.function
        self._sandbox = sandbox
        self._memory = memory
        self._logs = logs
        limit = sandbox.function.concurrency
        self._concurrency = limit
        self._max_environments = max_environments if limit is None else min(limit, max_environments)
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
        self, payload: bytes, trace_id: str | None, client_context: str | None
    ) -> tuple[str, asyncio.Future[Invocation]]:
        """Accept an invocation and return its id and its answer to come; raises Throttled."""
        if self._concurrency is not None and self._active >= self._concurrency:
            raise Throttled("Rate Exceeded.")
        self._active += 1
        self._invocations += 1
        request_id = str(uuid.uuid4())
        answer: asyncio.Future[Invocation] = asyncio.get_running_loop().create_future()
        job = Job(request_id, payload, answer, self._release, trace_id, client_context)
        if self._idle:
            self._assign(self._idle.pop(), job)
        else:
            self._waiting.append(job)
            self._start_environments()
        return request_id, answer

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

    def end_unused(self, oldest: float) -> None:
        """End the environments that were last used before `oldest` (monotonic seconds)."""
        for environment in [e for e in self._idle if e.last_used < oldest]:
            environment.shut_down()

    async def close(self) -> None:
        """Refuse what waits or runs, and end every process."""
        self._closed = True
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
        self._logs.info(
            f"{self.function.stem}: new environment, pid {environment.pid}, "
            f"Init Duration: {environment.init_ms:.0f} ms"
        )
        self._next(environment)

    def finished(self, environment: Environment) -> None:
        """Give an environment its next invocation."""
        self._memory.remove(environment)
        self._next(environment)

    def gone(self, environment: Environment, init_error: bytes | None) -> None:
        """Forget an environment; what it could not even start on gets its error."""
        self._memory.remove(environment)
        self._memory_mb = max(self._memory_mb, environment.memory_mb)
        self._environments.discard(environment)
        if environment in self._idle:
            self._idle.remove(environment)
        starting = self._starting.pop(environment, None)
        closing = asyncio.get_running_loop().create_task(self._finish(environment, starting))
        self._ending.add(closing)
        closing.add_done_callback(self._ending.discard)
        if init_error is not None:
            text = init_error.decode(errors="replace")
            self._logs.error(f"{self.function.stem}: initialisation failed: {text}")
            if self._waiting:
                self._waiting.popleft().finish(init_error, "Unhandled")
        self._start_environments()

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

    def _next(self, environment: Environment) -> None:
        if self._waiting:
            self._assign(environment, self._waiting.popleft())
        else:
            self._idle.append(environment)

    def _assign(self, environment: Environment, job: Job) -> None:
        self._memory.add(environment)
        environment.assign(job)

    def _start_environments(self) -> None:
        """Start what is missing for those who wait, as far as there is room."""
        while (
            not self._closed
            and len(self._starting) < len(self._waiting)
            and len(self._environments) < self._max_environments
        ):
            environment = Environment(self._sandbox, self, self._logs)
            self._environments.add(environment)
            task = asyncio.get_running_loop().create_task(environment.start())
            self._starting[environment] = task
