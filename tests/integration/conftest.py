from __future__ import annotations

import pytest

from ordering.postgres import Database


class Databases:
    def conninfo(self, side, role) -> str:
        return f"host=127.0.0.1 port=5599 dbname={side[0]} user={role}"

    def open(self, side, role, on_connect=""):
        return Database(self.conninfo(side, role), "none", "test", on_connect=on_connect)

    def owner(self, side):
        return self.open(side, "ordering_owner")


@pytest.fixture(scope="session")
def databases():
    return Databases()
