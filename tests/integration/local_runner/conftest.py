"""Real brokers and AWS services for the tests of the local runner, started once per session."""

from __future__ import annotations

import asyncio
import threading
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from unittest.mock import patch

import pytest

from infra.local.logs import Logs
from infra.local.servers.aws_services import AwsServices
from infra.local.servers.child import Child, StartError
from infra.local.servers.kafka_broker import KafkaBroker
from infra.local.servers.kafka_install import choose_kafka
from infra.local.servers.ports import Ports
from infra.local.settings import DEFAULT_STATE
from infra.local.template.model import Template
from tests.running_stack import free_ports

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator


Result = TypeVar("Result")

# The broker's cluster id is this in base64, "-AAA…": one random id in 64 begins like an option.
LIKE_AN_OPTION = uuid.UUID(int=0xF8 << 120)


class Background:
    """An event loop in a thread of its own, for what has to run beside synchronous tests."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=180)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture(scope="session")
def background() -> Iterator[Background]:
    background = Background()
    yield background
    background.close()


@dataclass(frozen=True)
class Kafka:
    """A running broker; `child` is its process."""

    servers: str
    child: Child


@pytest.fixture(scope="session", params=["apache", "embedded"])
def kafka(
    request: pytest.FixtureRequest,
    background: Background,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Kafka]:
    """A broker of each kind; Apache Kafka needs Java 17, and Maven for its first download."""
    directory = tmp_path_factory.mktemp(request.param)
    ports = Ports.from_base(free_ports())
    try:
        choice = background.run(
            choose_kafka(request.param, ports.kafka, DEFAULT_STATE / "cache", print)
        )
    except StartError as error:
        pytest.skip(f"runs where this can be had: {error}")
    with Logs(directory / "logs", console=None) as logs:
        broker = KafkaBroker(choice, ports, directory, logs=logs, logs_directory=directory / "logs")
        with patch("infra.local.servers.kafka_broker.uuid.uuid4", return_value=LIKE_AN_OPTION):
            background.run(broker.start())
        assert broker.child is not None
        yield Kafka(choice.bootstrap_servers, broker.child)
        background.run(broker.stop())


@pytest.fixture(scope="session")
def aws_endpoint(background: Background, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """host:port of moto's server, with nothing in it."""
    directory = tmp_path_factory.mktemp("aws")
    with Logs(directory, console=None) as logs:
        services = AwsServices(
            Ports.from_base(free_ports()).aws, logs=logs, logs_directory=directory
        )
        background.run(services.start(NOTHING))
        yield services.endpoint
        background.run(services.stop())


NOTHING = Template(
    functions={},
    topics=(),
    buckets={},
    queues={},
    jwt_issuer=None,
    jwt_audience=(),
    cors=None,
    warnings=(),
)
