"""One stack for all tests of this height, per kind of broker."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.running_stack import RunningStack, kafka_kinds, running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session", params=kafka_kinds())
def stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningStack]:
    kind: str = request.param
    if kind == "apache":
        for program in ("java", "mvn"):
            if shutil.which(program) is None:
                pytest.skip(f"Apache Kafka needs {program}; with Java 17 and Maven this runs")
    with running_stack(tmp_path_factory.mktemp(kind), kind) as stack:
        yield stack
