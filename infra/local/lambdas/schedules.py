"""EventBridge schedules on one machine: `rate(...)`, from the start of the stack."""

import asyncio
import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime

from infra.local.lambdas.service import LambdaError, LambdaService
from infra.local.logs import Logs
from infra.local.template.cloudformation import ACCOUNT
from infra.local.template.model import Function, Schedule


class Schedules:
    """Invokes each scheduled function at once and then at its interval.

    Moments are counted from the start, so that a late one does not delay the next; what was missed
    altogether (the machine slept) is left out. The invocations are asynchronous, as EventBridge's:
    one that is throttled waits.
    """

    def __init__(
        self, functions: Mapping[str, Function], service: LambdaService, *, logs: Logs
    ) -> None:
        self._functions = functions
        self._service = service
        self._logs = logs
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Fire every schedule once, then at its interval."""
        self._tasks = [
            asyncio.create_task(self._run(function, schedule))
            for function in self._functions.values()
            for schedule in function.schedules
        ]

    async def close(self) -> None:
        """Fire no more; what was invoked runs on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, function: Function, schedule: Schedule) -> None:
        clock = asyncio.get_running_loop().time
        due = clock()
        while True:
            await self._fire(function, schedule)
            # A timer may ring a little early, which is not a moment missed but less than none.
            missed = max(0, int((clock() - due) / schedule.interval_seconds))
            due += (missed + 1) * schedule.interval_seconds
            await asyncio.sleep(due - clock())

    async def _fire(self, function: Function, schedule: Schedule) -> None:
        payload = schedule.input or self._notification(schedule)
        try:
            await self._service.invoke_async(function.name, payload.encode())
        except LambdaError as error:
            self._logs.error(f"{function.stem}: schedule {schedule.name}: {error}")

    def _notification(self, schedule: Schedule) -> str:
        """Return what the scheduler sends when the template gives no Input."""
        region = self._service.region
        return json.dumps(
            {
                "version": "0",
                "id": str(uuid.uuid4()),
                "detail-type": "Scheduled Event",
                "source": schedule.source,
                "account": ACCOUNT,
                "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "region": region,
                "resources": [f"arn:aws:scheduler:{region}:{ACCOUNT}:schedule/{schedule.name}"],
                "detail": "{}" if schedule.source == "aws.scheduler" else {},
            }
        )
