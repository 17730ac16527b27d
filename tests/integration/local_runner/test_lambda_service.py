"""The local Lambda service runs functions as Lambda does: reuse, limits, failures, clean-up."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import uvloop

from infra.local.lambdas import environment_pool
from infra.local.lambdas.invocation import Invocation
from infra.local.lambdas.scaling import LOOK_SECONDS
from infra.local.lambdas.service import (
    LambdaService,
    RequestTooLarge,
    ServiceClosed,
    Throttled,
    UnknownFunction,
)
from tests.integration.local_runner.lambda_fixtures import a_function, a_service, until

ROOT = Path(__file__).parents[3]

RUNNER = """
import asyncio, pathlib, sys
from tests.integration.local_runner.lambda_fixtures import a_function, a_service
async def main(directory):
    async with a_service(directory, a_function(directory, "sleeper", timeout=60)) as service:
        running = asyncio.create_task(service.invoke("Sleeper", b'{"seconds": 50}'))
        while not service.environments()["Sleeper"].busy:
            await asyncio.sleep(0.01)
        print(service.environments()["Sleeper"].pids[0], flush=True)
        await running
asyncio.run(main(pathlib.Path(sys.argv[1])))
"""


def error_of(invocation: Invocation) -> dict[str, str]:
    assert invocation.function_error == "Unhandled"
    error: dict[str, str] = json.loads(invocation.payload)
    return error


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def pids(service: LambdaService, name: str) -> tuple[int, ...]:
    return service.environments()[name].pids


def test_a_warm_environment_is_used_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with a_service(tmp_path, a_function(tmp_path, "pid")) as service:
            first = await service.invoke("Pid", b"{}")
            second = await service.invoke("pid", b"{}")
            assert first.payload == second.payload
            assert first.request_id != second.request_id
            status = service.environments()["Pid"]
            assert (status.idle, status.busy, status.invocations) == (1, 0, 2)
            assert 0 < status.init_ms < 10_000

    uvloop.run(scenario())


def test_invocations_at_once_run_in_environments_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "met").mkdir()
    payload = json.dumps({"directory": str(tmp_path / "met"), "count": 6}).encode()

    async def scenario() -> None:
        async with a_service(tmp_path, a_function(tmp_path, "meeter", timeout=60)) as service:
            answers = await asyncio.gather(*(service.invoke("Meeter", payload) for _ in range(6)))
            assert len({answer.payload for answer in answers}) == 6

    uvloop.run(scenario())


def test_few_environments_are_started_at_the_same_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment_pool, "_MAX_STARTING", 2)

    async def scenario() -> None:
        async with a_service(tmp_path, a_function(tmp_path, "slow_init")) as service:
            calls = [asyncio.create_task(service.invoke("SlowInit", b"{}")) for _ in range(6)]
            await asyncio.sleep(3 * LOOK_SECONDS)
            status = service.environments()["SlowInit"]
            assert (status.starting, status.waiting) == (2, 6)
        await asyncio.gather(*calls, return_exceptions=True)

    uvloop.run(scenario())


def test_a_burst_is_left_to_the_environment_that_is_there_until_its_queue_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment_pool, "LOOK_SECONDS", 60)

    async def scenario() -> None:
        async with a_service(tmp_path, a_function(tmp_path, "pid")) as service:
            await service.invoke("Pid", b"{}")
            answers = await asyncio.gather(*(service.invoke("Pid", b"{}") for _ in range(20)))
            assert len({answer.payload for answer in answers}) == 1

    uvloop.run(scenario())


def test_beyond_the_machine_s_share_invocations_wait_their_turn(tmp_path: Path) -> None:
    async def scenario() -> None:
        sleeper = a_function(tmp_path, "sleeper")
        async with a_service(tmp_path, sleeper, max_environments=1) as service:
            calls = [service.invoke("Sleeper", b'{"seconds": 0.05}') for _ in range(4)]
            answers = await asyncio.gather(*calls)
            assert len({answer.payload for answer in answers}) == 1

    uvloop.run(scenario())


def test_beyond_its_concurrency_limit_a_function_is_throttled(tmp_path: Path) -> None:
    async def scenario() -> None:
        sleeper = a_function(tmp_path, "sleeper", concurrency=1)
        async with a_service(tmp_path, sleeper) as service:
            first = asyncio.create_task(service.invoke("Sleeper", b'{"seconds": 0.2}'))
            await asyncio.sleep(0)
            with pytest.raises(Throttled):
                await service.invoke("Sleeper", b"{}")
            assert (await first).function_error is None
            assert (await service.invoke("Sleeper", b"{}")).status == 200

    uvloop.run(scenario())


def test_a_function_over_its_timeout_is_killed_and_the_next_call_works(tmp_path: Path) -> None:
    async def scenario() -> None:
        sleeper = a_function(tmp_path, "sleeper", timeout=1)
        async with a_service(tmp_path, sleeper) as service:
            await service.invoke("Sleeper", b"{}")
            [pid] = pids(service, "Sleeper")
            answer = await service.invoke("Sleeper", b'{"seconds": 30}')
            error = error_of(answer)
            assert error["errorType"] == "Sandbox.Timedout"
            assert error["errorMessage"] == (
                f"RequestId: {answer.request_id} Error: Task timed out after 1.00 seconds"
            )
            await until(lambda: not is_running(pid))
            assert (await service.invoke("Sleeper", b"{}")).function_error is None

    uvloop.run(scenario())


def test_a_function_that_exits_is_reported_and_the_next_call_works(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with a_service(tmp_path, a_function(tmp_path, "crasher")) as service:
            error = error_of(await service.invoke("Crasher", b'{"crash": true}'))
            assert error["errorType"] == "Runtime.ExitError"
            assert error["errorMessage"].endswith("Runtime exited with error: exit status 3")
            assert (await service.invoke("Crasher", b"{}")).payload == b'"alive"'

    uvloop.run(scenario())


def test_an_environment_that_is_killed_from_outside_is_reported(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with a_service(tmp_path, a_function(tmp_path, "sleeper")) as service:
            await service.invoke("Sleeper", b"{}")
            [pid] = pids(service, "Sleeper")
            running = asyncio.create_task(service.invoke("Sleeper", b'{"seconds": 30}'))
            await asyncio.sleep(0.05)
            os.kill(pid, signal.SIGKILL)
            assert error_of(await running)["errorMessage"].endswith("signal: killed")
            assert (await service.invoke("Sleeper", b"{}")).function_error is None

    uvloop.run(scenario())


def test_an_idle_environment_that_dies_is_replaced(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with a_service(tmp_path, a_function(tmp_path, "pid")) as service:
            await service.invoke("Pid", b"{}")
            os.kill(pids(service, "Pid")[0], signal.SIGKILL)
            await until(lambda: not pids(service, "Pid"))
            assert (await service.invoke("Pid", b"{}")).function_error is None

    uvloop.run(scenario())


def test_a_function_over_its_memory_is_killed_and_the_next_call_works(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with a_service(tmp_path, a_function(tmp_path, "hog", memory=128)) as service:
            error = error_of(await service.invoke("Hog", b'{"mb": 300}'))
            assert error["errorType"] == "Runtime.OutOfMemory"
            assert (await service.invoke("Hog", b'{"mb": 1}')).payload == b"1048576"
            assert service.environments()["Hog"].max_memory_mb > 128

    uvloop.run(scenario())


def test_a_module_that_cannot_be_loaded_fails_the_call_and_is_tried_anew(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with a_service(tmp_path, a_function(tmp_path, "raising_init")) as service:
            error = error_of(await service.invoke("RaisingInit", b"{}"))
            assert error["errorMessage"] == "no settings"
            assert error["errorType"] == "RuntimeError"
            (tmp_path / "raising_init.py").write_text("handler = lambda event, context: 'mended'")
            assert (await service.invoke("RaisingInit", b"{}")).payload == b'"mended"'

    uvloop.run(scenario())


def test_every_call_that_waits_for_a_broken_module_gets_its_error(tmp_path: Path) -> None:
    async def scenario() -> None:
        broken = a_function(tmp_path, "raising_init")
        async with a_service(tmp_path, broken, max_environments=2) as service:
            answers = await asyncio.gather(*(service.invoke("RaisingInit", b"{}") for _ in "12345"))
            assert {error_of(answer)["errorMessage"] for answer in answers} == {"no settings"}

    uvloop.run(scenario())


def test_a_module_that_loads_for_ever_is_given_up(tmp_path: Path) -> None:
    async def scenario() -> None:
        slow = a_function(tmp_path, "slow_init")
        async with a_service(tmp_path, slow, init_seconds=0.3) as service:
            error = error_of(await service.invoke("SlowInit", b"{}"))
            assert error["errorType"] == "Sandbox.Timedout"

    uvloop.run(scenario())


def test_an_exception_of_the_handler_is_the_runtime_s_error_object(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with a_service(tmp_path, a_function(tmp_path, "raiser")) as service:
            error = error_of(await service.invoke("Raiser", b"{}"))
            assert (error["errorType"], error["errorMessage"]) == ("ValueError", "bad order")
            status = service.environments()["Raiser"]
            assert (status.idle, status.errors) == (1, 1)

    uvloop.run(scenario())


def test_an_environment_unused_for_its_time_is_ended(tmp_path: Path) -> None:
    async def scenario() -> None:
        pid_function = a_function(tmp_path, "pid")
        async with a_service(tmp_path, pid_function, idle_seconds=0.2) as service:
            pid = int((await service.invoke("Pid", b"{}")).payload)
            await until(lambda: not is_running(pid))
            assert pids(service, "Pid") == ()

    uvloop.run(scenario())


def test_closing_leaves_no_process_and_refuses_what_is_running(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with a_service(tmp_path, a_function(tmp_path, "sleeper")) as service:
            await service.invoke("Sleeper", b"{}")
            running = [
                asyncio.create_task(service.invoke("Sleeper", b'{"seconds": 30}')) for _ in "ab"
            ]
            await until(lambda: len(pids(service, "Sleeper")) == 2)
            started = pids(service, "Sleeper")
        results = await asyncio.gather(*running, return_exceptions=True)
        assert [type(result) for result in results] == [ServiceClosed, ServiceClosed]
        assert not any(is_running(pid) for pid in started)
        assert not (tmp_path / "state" / "tmp").exists()

    uvloop.run(scenario())


@pytest.mark.parametrize("registers", [True, False])
def test_a_process_is_told_before_it_ends_if_it_has_registered(
    tmp_path: Path, *, registers: bool
) -> None:
    ended = tmp_path / "ended"

    async def scenario() -> None:
        function = a_function(
            tmp_path,
            "told",
            layers=(ROOT / "layers" / "common",),
            environment={"REGISTERS": "yes"} if registers else {},
        )
        async with a_service(tmp_path, function) as service:
            result = await service.invoke("Told", json.dumps({"file": str(ended)}).encode())
            assert json.loads(result.payload) is registers

    uvloop.run(scenario())
    assert ended.exists() is registers


def test_a_process_dies_with_a_runner_that_is_killed(tmp_path: Path) -> None:
    runner = subprocess.Popen(
        [sys.executable, "-c", RUNNER, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    with runner:
        assert runner.stdout is not None
        pid = int(runner.stdout.readline())
        assert is_running(pid)
        runner.kill()
    uvloop.run(until(lambda: not is_running(pid)))


def test_a_payload_over_6_mb_is_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with a_service(tmp_path, a_function(tmp_path, "echo")) as service:
            with pytest.raises(RequestTooLarge):
                await service.invoke("Echo", b'"' + b"x" * 6 * 1024 * 1024 + b'"')
            largest = b'"' + b"x" * (6 * 1024 * 1024 - 2) + b'"'
            started = time.monotonic()
            assert (await service.invoke("Echo", largest)).payload == largest
            assert time.monotonic() - started < 0.9  # curl would wait 1 s for "100 Continue"

    uvloop.run(scenario())


def test_an_answer_over_6_mb_is_an_error_and_the_next_call_works(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with a_service(tmp_path, a_function(tmp_path, "large")) as service:
            error = error_of(await service.invoke("Large", b'{"bytes": 7000000}'))
            assert error["errorType"] == "Function.ResponseSizeTooLarge"
            assert (await service.invoke("Large", b'{"bytes": 1}')).payload == b'"x"'

    uvloop.run(scenario())


def test_a_caller_who_gives_up_leaves_the_environment_usable(tmp_path: Path) -> None:
    async def scenario() -> None:
        sleeper = a_function(tmp_path, "sleeper")
        async with a_service(tmp_path, sleeper, max_environments=1) as service:
            pid = (await service.invoke("Sleeper", b"{}")).payload
            given_up = asyncio.create_task(service.invoke("Sleeper", b'{"seconds": 0.2}'))
            waiting = asyncio.create_task(service.invoke("Sleeper", b"{}"))
            await asyncio.sleep(0.05)
            given_up.cancel()
            waiting.cancel()
            assert (await service.invoke("Sleeper", b"{}")).payload == pid
            assert service.environments()["Sleeper"].idle == 1

    uvloop.run(scenario())


def test_what_has_not_begun_when_its_caller_goes_is_never_run(tmp_path: Path) -> None:
    async def scenario() -> None:
        sleeper = a_function(tmp_path, "sleeper")
        async with a_service(tmp_path, sleeper, max_environments=1) as service:
            running = asyncio.create_task(service.invoke("Sleeper", b'{"seconds": 0.3}'))
            gone = asyncio.create_task(service.invoke("Sleeper", b'{"seconds": 30}'))
            await until(lambda: service.environments()["Sleeper"].busy == 1)
            gone.cancel()
            await until(lambda: service.environments()["Sleeper"].waiting == 0)
            await running
            assert (await service.invoke("Sleeper", b"{}")).function_error is None
            assert service.environments()["Sleeper"].errors == 0

    uvloop.run(scenario())


def test_a_function_sees_lambda_s_environment_and_nothing_of_the_runner_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_RUNNER", "leaked")
    layer = tmp_path / "layer"
    layer.mkdir()

    async def scenario() -> None:
        function = a_function(
            tmp_path, "environ", layers=(layer,), memory=256, environment={"TABLE": "orders"}
        )
        extra = {"PGPASSFILE": "/nowhere/pgpass"}
        async with a_service(tmp_path, function, extra_environment=extra) as service:
            answer = await service.invoke("Environ", b"{}", trace_id="Root=1-2-3")
            variables = json.loads(answer.payload)
        assert "SECRET_OF_THE_RUNNER" not in variables
        assert variables["TABLE"] == "orders"
        assert variables["PGPASSFILE"] == "/nowhere/pgpass"
        assert variables["AWS_LAMBDA_FUNCTION_NAME"] == "Environ"
        assert variables["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
        assert variables["AWS_REGION"] == "us-east-1"
        assert variables["TZ"] == ":UTC"
        assert variables["_X_AMZN_TRACE_ID"] == "Root=1-2-3"
        assert variables["PYTHONPATH"] == f"{tmp_path}:{layer}"

    uvloop.run(scenario())


def test_what_an_invocation_prints_is_in_its_log_tail_and_in_the_function_s_file(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with a_service(tmp_path, a_function(tmp_path, "talker")) as service:
            await service.invoke("Talker", b'{"word": "first"}')
            answer = await service.invoke("Talker", b'{"word": "second"}')
            assert answer.log_tail == "said second\n"

    uvloop.run(scenario())
    assert (tmp_path / "logs" / "talker.log").read_text() == "said first\nsaid second\n"


def test_an_asynchronous_invocation_is_retried_as_often_as_asked(tmp_path: Path) -> None:
    file = tmp_path / "attempts"
    payload = json.dumps({"file": str(file)}).encode()

    async def scenario() -> None:
        counter = a_function(tmp_path, "counter", async_retries=1)
        async with a_service(tmp_path, counter, async_retry_seconds=(0.01, 0.01)) as service:
            await service.invoke_async("Counter", payload)
            await until(lambda: service.environments()["Counter"].errors == 2)
            await asyncio.sleep(0.1)
            assert file.read_text() == "xx"

    uvloop.run(scenario())


def test_an_event_that_is_throttled_waits_also_when_it_is_tried_again(tmp_path: Path) -> None:
    file = tmp_path / "attempts"
    payload = json.dumps({"file": str(file)}).encode()

    async def scenario() -> None:
        counter = a_function(tmp_path, "counter", async_retries=1, concurrency=1)
        waits = {"async_retry_seconds": (0.01,), "throttled_seconds": (0.01, 0.01)}
        async with a_service(tmp_path, counter, **waits) as service:
            for _ in range(10):
                await service.invoke_async("Counter", payload)
            await until(lambda: service.environments()["Counter"].errors == 20, seconds=20)
            assert file.read_text() == "x" * 20

    uvloop.run(scenario())


@pytest.mark.parametrize("limits", [{"concurrency": 0}, {"concurrency": 1, "max_event_age": 0}])
def test_an_event_that_may_not_wait_is_given_up_and_said(
    tmp_path: Path, limits: dict[str, int]
) -> None:
    log = tmp_path / "logs" / "stack.log"

    async def scenario() -> None:
        async with a_service(tmp_path, a_function(tmp_path, "sleeper", **limits)) as service:
            running = asyncio.create_task(service.invoke("Sleeper", b'{"seconds": 1}'))
            await asyncio.sleep(0)
            await service.invoke_async("Sleeper", b"{}")
            await until(lambda: log.exists() and "given up: Rate Exceeded." in log.read_text())
        await asyncio.gather(running, return_exceptions=True)

    uvloop.run(scenario())


def test_a_name_without_a_function_is_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with a_service(tmp_path, a_function(tmp_path, "hello")) as service:
            with pytest.raises(UnknownFunction):
                await service.invoke("NoSuchFunction", b"{}")

    uvloop.run(scenario())
