"""Commands through their handlers on the write database, and what they have written there."""

from __future__ import annotations

from typing import Any

from commands import place_order
from ordering.command_side import store
from ordering.runtime.postgres import Database
from tests.integration.requests import OPERATOR, body_of, request
from tests.shared import an_order


class CountingDatabase(Database):
    """Counts its round trips."""

    round_trips = 0

    def rows_meanwhile(self, *asked: Any) -> Any:  # noqa: ANN401 - as its base
        self.round_trips += 1
        return super().rows_meanwhile(*asked)


class LosingDatabase(CountingDatabase):
    """Loses the race so many times: somebody else has changed the order since it was loaded."""

    losses = 0
    lost = 0

    def rows_meanwhile(self, statement: str, *asked: Any) -> Any:  # noqa: ANN401 - as its base
        if statement == store.APPEND and self.lost < self.losses:
            self.lost += 1
            return [], None
        return super().rows_meanwhile(statement, *asked)


def placed(database: Database, idempotency_key: str = "") -> str:
    headers = {"idempotency_key": idempotency_key} if idempotency_key else {}
    event = request(an_order(), path=None, query=None, claims=OPERATOR, **headers)
    response = place_order.handler.using(database)(event, None)
    assert response["statusCode"] == 201, response
    return str(body_of(response)["order_id"])


def events_of(owner: Database, order_id: str) -> list[tuple[int, str]]:
    return [
        (version, event_type)
        for version, event_type in owner.rows(
            "select version, type from order_events where order_id = %(id)s order by version",
            {"id": order_id},
        )
    ]


def make_too_large(owner: Database, order_id: str) -> None:
    """Make an order's events too large; the limits keep those of orders from today smaller."""
    owner.rows(
        "update orders set state = jsonb_set(state, '{lines}', ("
        "  select jsonb_agg(state #> '{lines,0}' || jsonb_build_object("
        "    'line_id', line_id, 'sku', %(sku)s, 'name', %(name)s,"
        "    'ordered', 1000000, 'unit_price', '999999999999.99'))"
        "  from generate_series(1, 500) as line_id"
        ")) where order_id = %(id)s",
        {"sku": "\x01" * 64, "name": "\x01" * 200, "id": order_id},
    )
