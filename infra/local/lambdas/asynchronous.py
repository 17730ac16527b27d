"""Lambda's asynchronous invocations: accepted at once, and tried until they are done or too old."""

import asyncio
import time
import uuid
from collections.abc import Sequence
from typing import Final, Protocol

from infra.local.lambdas.invocation import Invocation, LambdaError, Throttled
from infra.local.logs import Logs
from infra.local.template.model import Function

RETRY_SECONDS: Final = (60.0, 120.0)
"""Lambda's waits before a function that failed is tried for the second and the third time."""
THROTTLED_SECONDS: Final = (1.0, 300.0)
"""Lambda's first wait while a function is throttled, and the longest that it doubles to."""


class Submit(Protocol):
    """How an attempt is made."""

    def __call__(self, name: str, payload: bytes, *, request_id: str) -> asyncio.Future[Invocation]:
        """Run the function and give its answer to come; raises LambdaError."""


class AsynchronousInvocations:
    """Runs events until each is done, has failed as often as its function allows, or is too old.

    An event that is throttled did not run: it is tried again, ever more slowly, for as long as the
    function's MaximumEventAgeInSeconds says, and not at all where its concurrency is 0.
    """

    def __init__(
        self,
        submit: Submit,
        logs: Logs,
        *,
        retry_seconds: Sequence[float],
        throttled_seconds: tuple[float, float],
    ) -> None:
        self._submit = submit
        self._logs = logs
        self._retry_seconds = retry_seconds
        self._throttled_seconds = throttled_seconds
        self._tasks: set[asyncio.Task[None]] = set()

    def accept(self, function: Function, payload: bytes) -> str:
        """Take an event, and return its request id."""
        request_id = str(uuid.uuid4())
        task = asyncio.create_task(self._run(function, payload, request_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return request_id

    async def close(self) -> None:
        """Give up what is not done."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, function: Function, payload: bytes, request_id: str) -> None:
        subject = f"{function.stem}: asynchronous invocation"
        expires = time.monotonic() + function.max_event_age
        retries = iter(self._retry_seconds[: function.async_retries])
        while True:
            try:
                result = await self._attempt(function, payload, request_id, expires)
            except LambdaError as error:
                self._logs.error(f"{subject} given up: {error}")
                return
            if result.function_error is None:
                return
            failure = result.payload.decode(errors="replace")
            wait = next(retries, None)
            if wait is None or time.monotonic() + wait > expires:
                self._logs.error(f"{subject}: given up: {failure}")
                return
            self._logs.error(f"{subject}: again in {wait:.0f} s: {failure}")
            await asyncio.sleep(wait)

    async def _attempt(
        self, function: Function, payload: bytes, request_id: str, expires: float
    ) -> Invocation:
        """Run the function once it is not throttled; raises Throttled when that takes too long."""
        wait, longest = self._throttled_seconds
        was_logged = False
        while True:
            try:
                return await self._submit(function.name, payload, request_id=request_id)
            except Throttled:
                left = expires - time.monotonic()
                if left <= 0 or function.concurrency == 0:
                    raise
            if not was_logged:
                was_logged = True
                self._logs.info(
                    f"{function.stem}: asynchronous invocation waits, {function.name} runs as "
                    "often as it may"
                )
            await asyncio.sleep(min(wait, left))
            wait = min(wait * 2, longest)
