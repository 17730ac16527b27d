"""Schedules fire at once and then at their interval, whatever happens."""

import asyncio
import json
import time
from pathlib import Path

import uvloop

from infra.local.lambdas.schedules import Schedules
from infra.local.logs import Logs
from infra.local.template import Schedule
from tests.integration.local_runner.lambda_fixtures import a_function, a_service, until

EVERY_50_MS = Schedule("Often", "rate(1 minute)", 0.05, '{"word": "tick"}')


def lines_of(directory: Path, stem: str) -> list[str]:
    path = directory / "logs" / f"{stem}.log"
    return path.read_text().splitlines() if path.exists() else []


def run_schedule(directory: Path, schedule: Schedule, firings: int, **changes: object) -> float:
    """Run a schedule until it has fired so often, and return how long that took in seconds."""

    async def main() -> float:
        talker = a_function(directory, "talker", schedules=(schedule,), **changes)
        async with a_service(directory, talker) as service:
            with Logs(directory / "runner", console=None) as logs:
                schedules = Schedules(service.functions, service, logs=logs)
                started = time.monotonic()
                await schedules.start()
                await until(lambda: service.environments()["Talker"].invocations >= firings)
                took = time.monotonic() - started
                await schedules.close()
                await until(lambda: service.environments()["Talker"].busy == 0)
        return took

    return uvloop.run(main())


def test_a_schedule_fires_at_once_and_then_at_its_interval(tmp_path: Path) -> None:
    took = run_schedule(tmp_path, EVERY_50_MS, 5)
    assert 0.19 <= took < 2
    assert lines_of(tmp_path, "talker")[:2] == ["said tick", "said tick"]


def test_without_an_input_the_scheduler_s_notification_is_sent(tmp_path: Path) -> None:
    async def main() -> None:
        schedule = Schedule("Hourly", "rate(1 hour)", 3600, "")
        echo = a_function(tmp_path, "echo", schedules=(schedule,))
        (tmp_path / "echo.py").write_text(
            "import json\ndef handler(event, context):\n    print(json.dumps(event))\n"
        )
        async with a_service(tmp_path, echo) as service:
            with Logs(tmp_path / "runner", console=None) as logs:
                schedules = Schedules(service.functions, service, logs=logs)
                await schedules.start()
                await until(lambda: lines_of(tmp_path, "echo") != [])
                await schedules.close()

    uvloop.run(main())
    [line] = lines_of(tmp_path, "echo")
    assert json.loads(line)["source"] == "aws.scheduler"


def test_a_throttled_firing_waits_until_its_function_may_run(tmp_path: Path) -> None:
    async def main() -> None:
        schedule = Schedule("Hourly", "rate(1 hour)", 3600, "{}")
        sleeper = a_function(tmp_path, "sleeper", schedules=(schedule,), concurrency=1)
        async with a_service(tmp_path, sleeper, throttled_seconds=(0.01, 0.01)) as service:
            running = asyncio.create_task(service.invoke("Sleeper", b'{"seconds": 0.2}'))
            await until(lambda: service.environments()["Sleeper"].busy == 1)
            with Logs(tmp_path / "runner", console=None) as logs:
                schedules = Schedules(service.functions, service, logs=logs)
                await schedules.start()
                await until(lambda: service.environments()["Sleeper"].invocations == 2)
                assert running.done()
                await schedules.close()

    uvloop.run(main())
    said = (tmp_path / "logs" / "stack.log").read_text()
    assert said.count("sleeper: asynchronous invocation waits") == 1
