"""A stack on brokers that run already, KAFKA=host:port."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from infra.local.logs import Logs
from infra.local.servers.kafka_broker import KafkaBroker
from infra.local.servers.kafka_install import choose_kafka
from infra.local.servers.ports import Ports
from infra.local.settings import DEFAULT_STATE
from tests.integration.local_runner.conftest import Background
from tests.running_stack import free_ports, kafka_kinds, running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.system


@pytest.fixture
def brokers(tmp_path: Path) -> Iterator[str]:
    """host:port of a broker that no stack has started."""
    ports, directory = Ports.from_base(free_ports()), tmp_path / "broker"
    background = Background()
    choice = background.run(
        choose_kafka(kafka_kinds()[-1], ports.kafka, DEFAULT_STATE / "cache", print)
    )
    with Logs(directory / "logs", console=None) as logs:
        broker = KafkaBroker(choice, ports, directory, logs=logs, logs_directory=directory / "logs")
        background.run(broker.start())
        yield choice.bootstrap_servers
        background.run(broker.stop())
    background.close()


def test_an_order_goes_through_brokers_that_run_already(brokers: str, tmp_path: Path) -> None:
    with running_stack(tmp_path / "state", brokers) as stack:
        assert stack.record.bootstrap_servers == brokers
        assert not any("Kafka" in child for child in stack.record.children)
        placed = stack.place()
        assert stack.read(placed.body["order_id"], placed.token).status == 200
        stack.stop()
        stack.kafka = "auto"  # the state remembers where its events are
        stack.start()
        assert stack.record.bootstrap_servers == brokers
        placed = stack.place()
        assert stack.read(placed.body["order_id"], placed.token).status == 200
