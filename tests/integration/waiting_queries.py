"""Queries that wait, in no time, with something happening before each of their statements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.contracts.functions import files_of
from ordering.runtime.postgres import Database
from tests.integration.requests import query_request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ordering.read_side.query import QueryFunction
    from ordering.runtime.postgres import Row

QUERIES: dict[str, QueryFunction[Any]] = {file.stem: file.handler for file in files_of("queries")}


class HookedDatabase(Database):
    """The queries' database, in front of whose statements something else happens."""

    def __init__(self, database: Database, before: Callable[[int], None]) -> None:
        super().__init__("", "none", "test")
        self.statements = 0
        self._database = database
        self._before = before

    def rows(self, statement: str, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        self.statements += 1
        self._before(self.statements)
        return self._database.rows(statement, parameters)


def ask(stem: str, database: Database, order_id: str, **headers: str) -> dict[str, Any]:
    event = query_request(stem, order_id=order_id, customer_id="ALFKI")
    event["headers"] = header_names(headers)
    return QUERIES[stem].using(database)(event, None)


def header_names(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
