"""The deployed system: what each part needs at a rate of orders, and which part is full first.

An order has its whole life: the events that the data set's orders have on average, each by a
command, and the workload's questions to each command. Everything is in seconds, and per second.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Final, NamedTuple

from infra.local.settings import Settings
from infra.local.template import load_template
from tests.benchmarks.sides import OURS
from tests.benchmarks.workload import MIX

from . import limits
from .measured import LARGE_BATCH, SHARE_OF_COMMANDS

if TYPE_CHECKING:
    from .measured import Batch, Measured

RATES: Final = (1_000, 3_000, 10_000, 30_000, 100_000)
_SMALL_VCPUS: Final = 2
"""Of each database, as one would begin."""
_BYTES_OF_AN_EVENT: Final = 1_000
_PARTITIONS_OF_A_POLLER: Final = 5
"""A poller has up to five invocations at a time."""
_ONE_CORE_MB: Final = int(limits.MEMORY_OF_A_CORE.value)


class Template(NamedTuple):
    """What template.yaml says."""

    memory: int
    """MB of every function."""
    place_order: int
    """Reserved environments."""
    get_order: int
    partitions: int
    watermark_seconds: float

    @property
    def speed(self) -> float:
        """The share of a core that a function has."""
        return speed(self.memory)


def template() -> Template:
    """Read template.yaml."""
    settings = Settings()
    read = load_template(settings.template, settings.template_parameters("127.0.0.1:9"))
    functions = {each.stem: each for each in read.functions.values()}
    (topic,) = read.topics
    return Template(
        memory=functions["place_order"].memory,
        place_order=functions["place_order"].concurrency or 0,
        get_order=functions["get_order"].concurrency or 0,
        partitions=topic.partitions,
        watermark_seconds=2.0,
    )


def speed(memory: int) -> float:
    """Return the share of a core that a function of so many MB has."""
    return min(1.0, memory / limits.MEMORY_OF_A_CORE.value)


class Need(NamedTuple):
    """What a part needs per order and second, and how much of it there is."""

    part: str
    unit: str
    per_order: float
    begin_with: float
    """As in the template, of a new account, and with the smallest databases."""
    at_most: float
    to_raise: str

    def orders_until(self, limit: float) -> float:
        """Return the orders per second at which so much is used up."""
        return limit / self.per_order


class Deployed:
    """The deployed system, with the service times that were measured."""

    def __init__(self, measured: Measured, configured: Template) -> None:
        self.measured = measured
        self.configured = configured
        self.events = measured.events_per_order
        self.questions = self.events * (1 - SHARE_OF_COMMANDS) / SHARE_OF_COMMANDS
        network = limits.NETWORK_MS.value / 1000
        waited = statistics.median(measured.requests[OURS].commands)
        self._command_waits = waited - measured.handler + measured.trips * network
        self._question_waits = measured.question_database + network
        self._network = network

    def command_seconds(self, share_of_core: float) -> float:
        """Return how long a command's environment is busy."""
        return self.measured.handler / share_of_core + self._command_waits

    def question_seconds(self, share_of_core: float) -> float:
        """Return how long a question's environment is busy."""
        return self.measured.handler / share_of_core + self._question_waits

    def batch_seconds(self, batch: Batch, events: float, share_of_core: float) -> float:
        """Return how long a projector is busy with so many events."""
        return (
            (batch.function + events * batch.function_per_event) / share_of_core
            + 2 * self._network
            + batch.database
            + events * batch.database_per_event
        )

    def partition_events(self, share_of_core: float) -> float:
        """Return the events per second that the slowest projector applies of one partition."""
        invoked = limits.INVOKE_MS.value / 1000
        return min(
            LARGE_BATCH / (invoked + self.batch_seconds(batch, LARGE_BATCH, share_of_core))
            for batch in self.measured.batches.values()
        )

    def projected(self, share_of_core: float) -> tuple[float, float]:
        """Return the busy seconds of all projectors and of the database, per event, when busy."""
        batches = self.measured.batches.values()
        busy = sum(self.batch_seconds(b, LARGE_BATCH, share_of_core) / LARGE_BATCH for b in batches)
        database = sum(b.database / LARGE_BATCH + b.database_per_event for b in batches)
        return busy, database

    def needs(self, share_of_core: float) -> list[Need]:
        """Return what every part needs, with functions of this share of a core."""
        m, c = self.measured, self.configured
        usable = limits.USABLE.value
        commands, questions = self.events, self.questions
        of_command, of_question = (
            self.command_seconds(share_of_core),
            self.question_seconds(share_of_core),
        )
        projecting, projecting_database = self.projected(share_of_core)
        asked_for = limits.MOST_CONCURRENCY.value
        gets = questions * MIX["an order"] / (sum(MIX.values()) * (1 - SHARE_OF_COMMANDS))
        read_models = len(m.batches)
        per_partition = self.partition_events(share_of_core) * usable
        vcpus = limits.MOST_VCPUS.value
        connections = limits.MOST_CONNECTIONS.value
        replicas = limits.MOST_REPLICAS.value
        return [
            Need(
                "API Gateway",
                "requests/s",
                commands + questions,
                limits.API_REQUESTS.value,
                limits.MOST_API_REQUESTS.value,
                "ask for a higher quota",
            ),
            Need(
                "PlaceOrder",
                "environments",
                of_command / usable,
                c.place_order,
                asked_for,
                "its ReservedConcurrentExecutions",
            ),
            Need(
                "GetOrder",
                "environments",
                gets * of_question / usable,
                c.get_order,
                asked_for,
                "its ReservedConcurrentExecutions",
            ),
            Need(
                "all functions",
                "environments",
                (commands * of_command + questions * of_question + commands * projecting) / usable,
                limits.CONCURRENCY.value,
                asked_for,
                "ask for more concurrency",
            ),
            Need(
                "the write database",
                "vCPUs",
                commands * (m.command_database + m.relay_database) / usable,
                _SMALL_VCPUS,
                vcpus,
                "a larger instance; then cells of customers",
            ),
            Need(
                "connections of the write database",
                "connections",
                commands * self._command_waits / usable,
                connections,
                connections,
                "a proxy shares them between statements",
            ),
            Need(
                "the relay",
                "shards",
                commands / (m.relay_events * share_of_core * usable),
                1,
                limits.MOST_PARTITIONS.value,
                "its memory, then more shards",
            ),
            Need(
                "the topic",
                "partitions",
                commands / per_partition,
                c.partitions,
                limits.MOST_PARTITIONS.value,
                "more partitions",
            ),
            Need(
                "the event sources",
                "pollers",
                commands
                * read_models
                * max(1 / per_partition, _BYTES_OF_AN_EVENT / limits.POLLER_BYTES.value),
                c.partitions * read_models,
                limits.MOST_POLLERS.value,
                "MaximumPollers; one function for several read models",
            ),
            Need(
                "the read database, projecting",
                "vCPUs",
                commands * projecting_database / usable,
                _SMALL_VCPUS,
                vcpus,
                "a larger instance; then a database for some read models",
            ),
            Need(
                "the read database, answering",
                "vCPUs",
                questions * m.question_database / usable,
                _SMALL_VCPUS,
                vcpus * replicas,
                "replicas",
            ),
            Need(
                "connections of the read database, answering",
                "connections",
                questions * of_question / usable,
                connections,
                connections * replicas,
                "replicas",
            ),
        ]

    def surge_seconds(self, orders: float, share_of_core: float) -> float:
        """Return after how long there are environments for three times as many orders.

        Each function gets so many more a second; the one that needs the most takes the longest.
        """
        needs = self.needs(share_of_core)
        most = max(n.per_order * orders for n in needs if n.part in ("PlaceOrder", "GetOrder"))
        return 2 * most / limits.SCALING.value

    def month(self, orders: float, share_of_core: float) -> dict[str, float]:
        """Return the USD of a month at a rate, by what they are paid for."""
        m = self.measured
        month, memory = limits.MONTH_SECONDS, max(share_of_core * _ONE_CORE_MB, 128) / 1024
        need = {each.part: each.per_order * orders for each in self.needs(share_of_core)}
        commands, questions = orders * self.events, orders * self.questions
        projecting, _ = self.projected(share_of_core)
        batches = commands * len(m.batches) / LARGE_BATCH

        def functions(calls: float, busy: float) -> float:
            paid = busy * memory * limits.GB_SECOND.value + calls * limits.INVOCATION.value
            return paid * month

        vcpu = (limits.VCPU_HOUR.value + limits.PROXY_VCPU_HOUR.value) * month / 3600
        databases = ("the write database", "the read database, projecting")
        # A second instance takes over when the first one fails.
        instances = sum(2 * max(need[each], _SMALL_VCPUS) for each in databases)
        instances += max(need["the read database, answering"], _SMALL_VCPUS)
        written = commands * _BYTES_OF_AN_EVENT
        brokers = max(3.0, written / (limits.BROKER_BYTES.value * limits.USABLE.value))
        return {
            "API Gateway": (commands + questions) * month * limits.API_REQUEST.value,
            "commands": functions(commands, commands * self.command_seconds(share_of_core)),
            "questions": functions(questions, questions * self.question_seconds(share_of_core)),
            "projectors": functions(batches, commands * projecting),
            "event pollers": max(1.0, need["the event sources"] / _PARTITIONS_OF_A_POLLER)
            * limits.POLLER_HOUR.value
            * month
            / 3600,
            "databases": instances * vcpu,
            "Kafka": brokers * limits.BROKER_HOUR.value * month / 3600,
        }


def watermarks(
    deployed: Deployed, read_models: int, partitions: int, every: float
) -> dict[str, float]:
    """Return the invocations of a month that watermarks alone cause, and their USD."""
    batches = deployed.measured.batches.values()
    share = deployed.configured.speed
    busy = statistics.fmean(deployed.batch_seconds(batch, 0, share) for batch in batches)
    calls = read_models * partitions / every * limits.MONTH_SECONDS
    memory = deployed.configured.memory / 1024
    per_call = busy * memory * limits.GB_SECOND.value + limits.INVOCATION.value
    return {"invocations": calls, "usd": calls * per_call}
