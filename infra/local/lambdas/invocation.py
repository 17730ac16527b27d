"""One invocation of a Lambda function: what is asked, what comes back, how it is refused."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

MAX_PAYLOAD_BYTES: Final = 6 * 1024 * 1024  # of a synchronous request; Lambda's quota
MAX_RESPONSE_BYTES: Final = 6_291_556  # as Lambda's own error message gives it


class LambdaError(Exception):
    """Lambda did not accept an invocation. `status` is the HTTP status of its API."""

    status = 500
    code = "ServiceException"


class UnknownFunction(LambdaError):  # noqa: N818 - the name that Lambda's callers know it by
    """There is no such function."""

    status = 404
    code = "ResourceNotFoundException"


class Throttled(LambdaError):  # noqa: N818 - the name that Lambda's callers know it by
    """The function already runs as often as its concurrency limit allows."""

    status = 429
    code = "TooManyRequestsException"


class RequestTooLarge(LambdaError):  # noqa: N818 - the name that Lambda's callers know it by
    """The payload is over 6 MB."""

    status = 413
    code = "RequestTooLargeException"


class ServiceClosed(LambdaError):  # noqa: N818 - a state rather than an error
    """The runner is shutting down."""

    status = 503
    code = "ServiceUnavailableException"


@dataclass(frozen=True, slots=True)
class Invocation:
    """The answer to an invocation.

    `function_error` is "Unhandled" when the function failed: `payload` is then Lambda's error
    object. `log_tail` is the last 4 KB that the function has logged for it.
    """

    status: int
    payload: bytes
    function_error: str | None
    request_id: str
    log_tail: str = ""


@dataclass(slots=True)
class Job:
    """An accepted invocation on its way: waiting, or running in an environment.

    `release` is called once, when the job is over, whether or not anybody still waits for it, and
    is called with whether it failed.
    """

    request_id: str
    payload: bytes
    answer: asyncio.Future[Invocation]
    release: Callable[[bool], None]
    trace_id: str | None = None
    client_context: str | None = None
    started: float = 0.0  # monotonic seconds, when an environment took it
    deadline_ms: int = 0  # Unix time, for the handler's context
    over: bool = field(default=False, init=False)

    def take(self, timeout: float) -> None:
        """Start the clock: the function has `timeout` seconds from now."""
        self.started = time.monotonic()
        self.deadline_ms = int((time.time() + timeout) * 1000)

    def finish(self, payload: bytes, function_error: str | None, log_tail: str = "") -> None:
        """Give the answer to the caller; one who has gone away is ignored."""
        if self._end(failed=function_error is not None):
            answer = Invocation(200, payload, function_error, self.request_id, log_tail)
            self.answer.set_result(answer)

    def fail(self, error_type: str, message: str, log_tail: str = "") -> None:
        """Answer as Lambda does when the environment, not the handler, has failed."""
        text = f"RequestId: {self.request_id} Error: {message}"
        self.finish(error_payload(error_type, text), "Unhandled", log_tail)

    def refuse(self, error: LambdaError) -> None:
        """End the job without an answer."""
        if self._end(failed=True):
            self.answer.set_exception(error)

    def drop(self) -> None:
        """End the job of a caller who has gone."""
        self._end(failed=False)

    def _end(self, *, failed: bool) -> bool:
        """Mark the job as over; return True if its caller still waits for the answer."""
        if self.over:
            return False
        self.over = True
        self.release(failed)
        return not self.answer.done()


def error_payload(error_type: str, message: str) -> bytes:
    """Return Lambda's error object as JSON."""
    return json.dumps({"errorType": error_type, "errorMessage": message}).encode()
