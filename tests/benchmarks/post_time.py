"""Where the time of a POST goes on one machine: `make bench-post` beside a running `make up`.

Clients place orders through the gateway, one at a time each. Meanwhile the processor time of every
part of the stack is read from /proc: it says what a command costs where all parts share the cores.
Then the same is done while parts behind the command stand still (SIGSTOP), which says what they
take from it; they go on afterwards and catch up.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import psutil

from infra.local.gateway.issuer import load_or_create_key, mint_token
from infra.local.settings import AUDIENCE, DEFAULT_STATE
from infra.local.stack_record import StackRecord, read_record
from infra.local.stack_status import measure
from ordering.read_side.query import READ_MODELS
from tests.running_stack import RunningStack
from tests.shared import an_order

from .measuring import parser_of, run_benchmark, say, summary

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SECONDS: Final = 10.0
CLIENTS: Final = (1, 4)
STOPPED: Final[dict[str, Sequence[str]]] = {
    "everything runs": (),
    "projectors stand still": READ_MODELS,
    "projectors and relay stand still": (*READ_MODELS, "publish_events"),
}


async def post(
    record: StackRecord, token: str, clients: int, seconds: float
) -> tuple[list[float], Any]:
    """Place orders for so long; return each one's milliseconds, and what every part used."""
    until = time.monotonic() + seconds
    taken: list[float] = []

    async def client(session: aiohttp.ClientSession) -> None:
        while time.monotonic() < until:
            began = time.perf_counter()
            async with session.post("/orders", json=an_order()) as answer:
                await answer.read()
                if answer.status != 201:
                    raise RuntimeError(f"{answer.status}: {await answer.text()}")
            taken.append((time.perf_counter() - began) * 1000)

    headers = {"authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(base_url=record.api_url, headers=headers) as session:
        usage = asyncio.create_task(asyncio.to_thread(measure, record, seconds * 0.9))
        await asyncio.gather(*(client(session) for _ in range(clients)))
        return taken, await usage


@contextlib.contextmanager
def stopped(record: StackRecord, stems: Sequence[str]) -> Iterator[None]:
    """Let the functions of these names stand still meanwhile."""
    stack = RunningStack(DEFAULT_STATE, record.ports.api, record.kafka)
    found = [process for stem in stems for process in stack.environments(stem)]
    for process in found:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in found:
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGCONT)


def run(seconds: float) -> dict[str, Any]:
    """Measure with one client and with several, with all parts and with fewer."""
    record = read_record(DEFAULT_STATE)
    if record is None:
        raise SystemExit("no stack is running: make up DETACH=1")
    key = load_or_create_key(DEFAULT_STATE)
    token = mint_token(
        key, record.issuer, AUDIENCE, customer=None, scope_prefix=record.scope_prefix
    )
    told: dict[str, Any] = {}
    samples: dict[str, Any] = {}
    asyncio.run(post(record, token, 1, 3))  # a warm-up
    for clients in CLIENTS:
        for what, stems in STOPPED.items():
            with stopped(record, stems):
                taken, usages = asyncio.run(post(record, token, clients, seconds))
            name = f"{clients} clients, {what}"
            rate = len(taken) / seconds
            samples[name] = [round(each, 2) for each in taken]
            told[name] = {
                "rate": rate,
                "latency_ms": summary(taken),
                # Per cent of a core, shared by so many commands a second.
                "cpu_ms": {usage.name: usage.cpu * 10 / rate for usage in usages},
            }
            show(name, told[name])
            time.sleep(5)  # what stood still catches up
    return {"seed": None, "settings": {"seconds": seconds}, "summary": told, "samples": samples}


def show(name: str, told: dict[str, Any]) -> None:
    """Print what one run says."""
    latency = told["latency_ms"]
    say(f"\n{name}: {told['rate']:.0f}/s, p50 {latency['p50']:.1f} ms, p99 {latency['p99']:.1f}")
    for part, milliseconds in sorted(told["cpu_ms"].items(), key=lambda each: -each[1]):
        say(f"  {part:40} {milliseconds:6.2f} ms of processor time per command")


def main() -> None:
    """Measure and write the result."""
    parser = parser_of(__doc__, None)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    asked = parser.parse_args()
    run_benchmark("post_time", lambda: run(asked.seconds), asked.build)


if __name__ == "__main__":
    main()
