"""For tests of every height."""

from __future__ import annotations

import shutil
import signal
from typing import TYPE_CHECKING

import pytest

from infra.local import environment
from tests.running_stack import RunningStack, kafka_kinds, running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator

# As the runner does it: tests call parts of it, and AWS clients, in this process.
environment.clean()
# As Ctrl-C does it: fixtures stop what they have started. `make test` ends so what it runs beside.
signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session", params=kafka_kinds())
def stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningStack]:
    """One stack for all tests on a whole system, per kind of broker."""
    kind: str = request.param
    if kind == "apache":
        for program in ("java", "mvn"):
            if shutil.which(program) is None:
                pytest.skip(f"Apache Kafka needs {program}; with Java 17 and Maven this runs")
    with running_stack(tmp_path_factory.mktemp(kind), kind) as stack:
        yield stack
