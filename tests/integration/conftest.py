"""Two real PostgreSQL clusters, migrated, for all tests of this height."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.databases import running_databases

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.databases import Databases


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    with running_databases(tmp_path_factory.mktemp("databases")) as databases:
        yield databases
