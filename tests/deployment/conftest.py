"""Databases as Aurora gives them, one pair for all tests here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.deployment.aurora import running_aurora

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.deployment.aurora import Aurora


@pytest.fixture(scope="session")
def _aurora(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aurora]:
    with running_aurora(tmp_path_factory.mktemp("aurora")) as aurora:
        yield aurora


@pytest.fixture
def aurora(_aurora: Aurora) -> Aurora:
    """Return the two clusters without anything of a deployment in them."""
    _aurora.begin_anew()
    return _aurora
