"""A fresh stack for each fault, so that one test's wreckage is not the next one's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.running_stack import RunningStack, has_apache, kafka_kinds, running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[RunningStack]:
    kind = "apache" if has_apache() else kafka_kinds()[-1]
    with running_stack(tmp_path, kind) as stack:
        yield stack
