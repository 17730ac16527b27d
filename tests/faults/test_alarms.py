"""What operators are told: parts are made to fail, and the template's own alarms are evaluated.

An alarm's periods are minutes. Here health is reported every two seconds and periods are
``ALARM_SPEED`` times as short (6 s; 1 is real time, with the schedule's own reports); thresholds
are as they are.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
import uuid
from typing import TYPE_CHECKING, Final

import psutil
import pytest
from kafka import KafkaProducer

from infra.local.operate import invoke
from ordering.read_side.query import READ_MODELS
from tests.cloudwatch import ALARM, OK, Metrics, read_alarms

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.running_stack import RunningStack

pytestmark = pytest.mark.faults

SPEED: Final = float(os.environ.get("ALARM_SPEED", "10"))
REPORT_SECONDS: Final = 2.0
THRESHOLD_SECONDS: Final = 30
"""Of the ages."""
STATED_SECONDS: Final = THRESHOLD_SECONDS + 4 * 60 / SPEED + 10
"""Within so long after a fault its alarm is raised: the age that it allows, a report, two periods,
and one that was under way; and some for this machine."""
TOPIC: Final = "ordering.orders"
ALARMS: Final = read_alarms()
AGES: Final = [f"age-{name}" for name in READ_MODELS]
PARKED: Final = [f"parked-{name}" for name in READ_MODELS]


class Watch:
    """Evaluates alarms over what the stack's functions have logged."""

    def __init__(self, stack: RunningStack) -> None:
        self._stack = stack

    def states(self, names: Iterable[str]) -> dict[str, str]:
        metrics = Metrics()
        for stem in ("report_health", "publish_events"):
            with contextlib.suppress(FileNotFoundError):  # it has said nothing yet
                metrics.read(self._stack.log(stem).splitlines())
        now = time.time()
        return {name: metrics.state(ALARMS[name], now, speed=SPEED) for name in names}

    def until(self, names: Iterable[str], state: str) -> float:
        """Wait until all of them are in that state; return how many seconds it took."""
        names = list(names)
        begun = time.monotonic()
        while True:
            states = self.states(names)
            took = round(time.monotonic() - begun, 1)
            if set(states.values()) == {state}:
                return took
            assert took < STATED_SECONDS, states
            time.sleep(1)


@contextlib.contextmanager
def repeatedly(work: object, seconds: float) -> Iterator[None]:
    """Do something again and again in a thread, whatever it raises."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(seconds):
            with contextlib.suppress(Exception):
                work()  # type: ignore[operator] # a function

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextlib.contextmanager
def dead(stack: RunningStack, stem: str) -> Iterator[None]:
    """Kill each process of a function as soon as it is there."""

    def kill() -> None:
        for process in stack.environments(stem):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    with repeatedly(kill, 0.2):
        yield


@contextlib.contextmanager
def silent(process: psutil.Process) -> Iterator[None]:
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def send_poison(stack: RunningStack) -> None:
    """Send an event whose data no projector can decode."""
    order_id = str(uuid.uuid4())
    servers = f"127.0.0.1:{stack.record.ports.kafka}"
    with contextlib.closing(KafkaProducer(bootstrap_servers=servers)) as producer:
        producer.send(TOPIC, b'{"data": 1}', key=order_id.encode())
        producer.flush(30)


def test_the_alarms_are_raised_in_the_stated_time_and_end(
    stack: RunningStack, capsys: pytest.CaptureFixture[str]
) -> None:
    watch = Watch(stack)

    def report() -> None:
        invoke(stack.record, "report_health", {})

    reports = contextlib.nullcontext() if SPEED == 1 else repeatedly(report, REPORT_SECONDS)
    with reports:
        stack.place()
        watch.until([*AGES, *PARKED, "outbox"], OK)

        # A projector is dead, and an event cannot be applied: two alarms that others do not share.
        send_poison(stack)
        with dead(stack, "sales"):
            took = {"parked": watch.until(set(PARKED) - {"parked-sales"}, ALARM)}
            took["a dead projector"] = watch.until(["age-sales"], ALARM)
            assert set(watch.states(set(AGES) - {"age-sales"}).values()) == {OK}
            assert watch.states(["outbox"]) == {"outbox": OK}
        watch.until(["age-sales"], OK)

        # The relays are dead: what waits for them is seen, and so is that nothing moves.
        with dead(stack, "publish_events"):
            time.sleep(1)  # one that lives still would publish it
            stack.place()
            took["dead relays"] = watch.until(["outbox", *AGES], ALARM)
        watch.until(["outbox", *AGES], OK)

        # The broker is there and says nothing.
        if stack.kafka == "apache":
            with silent(stack.child("Kafka")):
                stack.place()
                took["a silent broker"] = watch.until(["outbox", "relay-fails", *AGES], ALARM)
            watch.until(["outbox", *AGES], OK)
    with capsys.disabled():
        print("\nseconds until the alarm:", took)  # noqa: T201 - the figures


def test_who_reports_is_dead(stack: RunningStack) -> None:
    """Nobody says how old anything is: missing data alarms."""
    watch = Watch(stack)
    with dead(stack, "report_health"):
        watch.until([*AGES, "outbox"], ALARM)
