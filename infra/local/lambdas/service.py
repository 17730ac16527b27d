"""Lambda on one machine: functions in their own processes, started on demand and reused.

A function has as many environments as it has invocations at once, up to its concurrency limit and
up to what this machine has room for; a queue that is soon gone starts none (scaling). An invocation
without one waits for whichever environment is free first; one beyond the concurrency limit is
throttled, as Lambda does.
"""

import asyncio
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from infra.local.lambdas.asynchronous import (
    RETRY_SECONDS,
    THROTTLED_SECONDS,
    AsynchronousInvocations,
)
from infra.local.lambdas.environment import Sandbox
from infra.local.lambdas.environment_pool import EnvironmentPool, FunctionStatus
from infra.local.lambdas.invocation import (
    MAX_PAYLOAD_BYTES,
    Invocation,
    LambdaError,
    RequestTooLarge,
    ServiceClosed,
    Throttled,
    UnknownFunction,
)
from infra.local.lambdas.machine import Machine
from infra.local.lambdas.variables import function_variables, launcher
from infra.local.logs import Logs
from infra.local.template.cloudformation import ACCOUNT
from infra.local.template.model import Function

__all__ = [
    "FunctionStatus",
    "Invocation",
    "LambdaError",
    "LambdaService",
    "RequestTooLarge",
    "ServiceClosed",
    "Throttled",
    "UnknownFunction",
]


class LambdaService:
    """Runs the functions of a template.

    `max_environments` is how many all functions together may have; `idle_seconds` is how long an
    unused one is kept; `extra_environment` is added to each function's variables; `init_seconds` is
    how long a function may take to be imported.
    """

    def __init__(
        self,
        functions: Mapping[str, Function],
        *,
        logs: Logs,
        state_dir: Path,
        region: str = "us-east-1",
        max_environments: int,
        idle_seconds: float = 300,
        extra_environment: Mapping[str, str] | None = None,
        init_seconds: float = 10,
        async_retry_seconds: tuple[float, ...] = RETRY_SECONDS,
        throttled_seconds: tuple[float, float] = THROTTLED_SECONDS,
    ) -> None:
        self.functions = functions
        self.region = region
        self._logs = logs
        self._scratch = state_dir / "tmp"
        self._machine = Machine(max_environments)
        self._idle_seconds = idle_seconds
        self._extra_environment = dict(extra_environment or {})
        self._init_seconds = init_seconds
        self._asynchronous = AsynchronousInvocations(
            self._submit,
            logs,
            retry_seconds=async_retry_seconds,
            throttled_seconds=throttled_seconds,
        )
        self._pools: dict[str, EnvironmentPool] = {}
        self._stems = {function.stem: name for name, function in functions.items()}
        self._idle_timer: asyncio.TimerHandle | None = None
        self._closed = False

    async def start(self) -> None:
        """Get ready; environments are started by the invocations that need them."""
        shutil.rmtree(self._scratch, ignore_errors=True)  # of a runner that was killed
        command = launcher()
        if not command:
            self._logs.warning(
                "no setpriv of util-linux here: if this runner is killed, functions that are "
                "running end only when they are done"
            )
        for name, function in self.functions.items():
            sandbox = Sandbox(
                function=function,
                function_arn=self.function_arn(name),
                launcher=command,
                variables=function_variables(function, self.region, self._extra_environment),
                scratch=self._scratch,
                init_seconds=self._init_seconds,
            )
            self._pools[name] = EnvironmentPool(sandbox, self._machine, self._logs)
        self._machine.allow_files()
        self._machine.pools = tuple(self._pools.values())
        self._end_idle()

    async def close(self) -> None:
        """Refuse what is running or waiting, kill every environment, and wait for their end."""
        self._closed = True
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        await self._asynchronous.close()
        await asyncio.gather(*(pool.close() for pool in self._pools.values()))
        shutil.rmtree(self._scratch, ignore_errors=True)

    async def invoke(
        self,
        name: str,
        payload: bytes,
        *,
        trace_id: str | None = None,
        client_context: str | None = None,
    ) -> Invocation:
        """Invoke a function, by logical id or stem, and wait for its answer.

        A function that fails is an answer with `function_error`. Raises UnknownFunction,
        Throttled, RequestTooLarge or ServiceClosed when nothing was run. When the caller is
        cancelled the function runs on, as in Lambda, and its answer is dropped; what had not begun
        by then never will.
        """
        return await self._submit(name, payload, trace_id=trace_id, client_context=client_context)

    async def invoke_async(self, name: str, payload: bytes) -> str:
        """Invoke a function without waiting, and return the request id.

        Raises as `invoke`, but for Throttled: the event waits until the function may run.
        """
        self._check(payload)
        return self._asynchronous.accept(self.find(name), payload)

    def environments(self) -> dict[str, FunctionStatus]:
        """Return how each function is doing, by logical id."""
        return {name: pool.status() for name, pool in self._pools.items()}

    def find(self, name: str) -> Function:
        """Return the function of that logical id or stem; raises UnknownFunction."""
        return self._pool(name).function

    def function_arn(self, name: str) -> str:
        """Return the ARN of the function with that logical id."""
        return f"arn:aws:lambda:{self.region}:{ACCOUNT}:function:{name}"

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def _pool(self, name: str) -> EnvironmentPool:
        pool = self._pools.get(name) or self._pools.get(self._stems.get(name, ""))
        if pool is None:
            raise UnknownFunction(f"Function not found: {self.function_arn(name)}")
        return pool

    def _check(self, payload: bytes) -> None:
        if self._closed:
            raise ServiceClosed("the runner is shutting down")
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise RequestTooLarge(
                f"Request must be smaller than {MAX_PAYLOAD_BYTES} bytes for the InvokeFunction "
                "operation"
            )

    def _submit(self, name: str, payload: bytes, **given: str | None) -> asyncio.Future[Invocation]:
        pool = self._pool(name)
        self._check(payload)
        return pool.submit(payload, **given)

    def _end_idle(self) -> None:
        oldest = time.monotonic() - self._idle_seconds
        for pool in self._pools.values():
            pool.end_unused(oldest)
        self._idle_timer = asyncio.get_running_loop().call_later(
            min(self._idle_seconds / 2, 10), self._end_idle
        )
