import os
import socket

import pytest

from infra.local.servers.child import StartError
from infra.local.servers.ports import Ports
from tests.running_stack import free_ports


def test_every_part_has_a_port_counted_from_the_api_s() -> None:
    assert Ports.from_base(4000) == Ports(4000, 4001, 4002, 4003, 4004, 4005, 4006)


def test_aws_services_are_on_localstack_s_port_for_the_default_stack_only() -> None:
    assert Ports.from_base(3000).aws == 4566
    assert Ports.from_base(3000, aws=5000).aws == 5000


@pytest.mark.parametrize(("base", "aws"), [(0, None), (65_530, None), (3000, 70_000)])
def test_a_port_that_cannot_be_is_refused(base: int, aws: int | None) -> None:
    with pytest.raises(StartError, match="PORT="):
        Ports.from_base(base, aws)


def test_a_taken_port_is_named_with_its_use_its_owner_and_the_way_out(free_base: int) -> None:
    ports = Ports.from_base(free_base)
    with (
        socket.create_server(("127.0.0.1", ports.read_database)),
        pytest.raises(StartError) as refused,
    ):
        ports.require_free()
    message = str(refused.value)
    assert f"port {ports.read_database}, for the read database" in message
    assert f"by process {os.getpid()}" in message
    assert "make up PORT=" in message
    ports.require_free()


def test_kafka_s_ports_do_not_matter_when_it_runs_elsewhere(free_base: int) -> None:
    ports = Ports.from_base(free_base)
    with socket.create_server(("127.0.0.1", ports.kafka)):
        ports.require_free(broker=False)
        with pytest.raises(StartError, match="for Kafka"):
            ports.require_free()


def test_the_port_of_aws_services_does_not_matter_to_a_template_that_asks_for_none(
    free_base: int,
) -> None:
    ports = Ports.from_base(free_base)
    with socket.create_server(("127.0.0.1", ports.aws)):
        ports.require_free(aws_services=False)
        with pytest.raises(StartError, match="for AWS services"):
            ports.require_free()


@pytest.fixture
def free_base() -> int:
    return free_ports()
