"""What the demo does about orders of an earlier run, and about a database that dies meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast
from unittest.mock import MagicMock, patch

import psycopg2
import pytest
from rich.progress import Progress

from infra.local.demo.api_client import ApiClient, Reply
from infra.local.demo.northwind import load_orders
from infra.local.demo.northwind_session import NoDatabaseError, NorthwindSessions
from infra.local.demo.steps import Demo

if TYPE_CHECKING:
    from infra.local.demo.checks import PlacedOrder

ORDERS = load_orders()
SHIPPED = next(order for order in ORDERS if order.shipped)
UNSHIPPED = next(order for order in ORDERS if not order.shipped)


class Api:
    """Stands in for the HTTP API: lists these items, a page each, and takes every command."""

    def __init__(self, *items: dict[str, Any]) -> None:
        self.items = items
        self.commands: list[str] = []

    async def get(self, path: str, _tokens: str = "", *, cursor: int = 0, **_: object) -> Reply:
        of_customer = [item for item in self.items if f"/{item['customer_id']}/" in path]
        following = cursor + 1 if cursor + 1 < len(of_customer) else None
        page = of_customer[cursor : cursor + 1]
        return Reply(200, {}, {"items": page, "next_cursor": following})

    async def post(self, path: str, key: str, _body: object = None) -> Reply:
        self.commands.append(key)
        status = "confirmed" if path.endswith("/confirm") else "placed"
        version = 2 if status == "confirmed" else 1
        return Reply(
            200,
            {"consistency-token": f"{key}'s"},
            {"order_id": "new", "version": version, "status": status},
        )


def listed(number: int, customer_id: str, status: str, version: int) -> dict[str, Any]:
    return {
        "order_id": "old",
        "customer_id": customer_id,
        "reference": f"northwind-{number}",
        "status": status,
        "version": version,
    }


def place(api: Api) -> list[PlacedOrder]:
    """Run the steps up to placing, of one order that was shipped and one that was not."""

    async def run() -> list[PlacedOrder]:
        demo = Demo(cast("ApiClient", api), MagicMock(), 2, Progress(disable=True))
        await demo.find([SHIPPED, UNSHIPPED])
        return await demo.place([SHIPPED, UNSHIPPED])

    return sorted(asyncio.run(run()), key=lambda placed: placed.order is UNSHIPPED)


def test_what_is_missing_is_placed_and_what_was_shipped_is_confirmed() -> None:
    api = Api({**listed(1, UNSHIPPED.body["customer_id"], "placed", 1), "reference": None})
    shipped, unshipped = place(api)
    assert sorted(api.commands) == [
        f"northwind-confirm-{SHIPPED.number}",
        f"northwind-place-{SHIPPED.number}",
        f"northwind-place-{UNSHIPPED.number}",
    ]
    assert (shipped.version, shipped.token) == (2, f"northwind-confirm-{SHIPPED.number}'s")
    assert (unshipped.version, unshipped.token) == (1, f"northwind-place-{UNSHIPPED.number}'s")


@pytest.mark.parametrize(
    ("status", "commands"),
    [
        ("placed", [f"northwind-confirm-{SHIPPED.number}"]),
        ("confirmed", []),
        ("held", []),
        ("cancelled", []),
    ],
)
def test_an_order_that_is_there_is_not_placed_again(status: str, commands: list[str]) -> None:
    api = Api(
        listed(SHIPPED.number, SHIPPED.body["customer_id"], status, 3),
        listed(1, SHIPPED.body["customer_id"], "placed", 1),
        listed(UNSHIPPED.number, UNSHIPPED.body["customer_id"], "placed", 1),
    )
    shipped, unshipped = place(api)
    assert api.commands == commands
    assert (unshipped.order_id, unshipped.version, unshipped.token) == ("old", 1, "")
    if not commands:
        assert (shipped.order_id, shipped.version, shipped.token) == ("old", 3, "")


def ask(trouble: list[Exception | None], patience_seconds: float) -> tuple[str, int]:
    """Ask a database of which the first sessions end so; returns the answer and the repetitions."""
    sessions = NorthwindSessions("nowhere", 1, "pgpass", patience_seconds=patience_seconds)

    def question(_: object) -> str:
        happens = trouble.pop(0) if len(trouble) > 1 else trouble[0]
        if happens is not None:
            raise happens
        return "830"

    with patch("infra.local.demo.northwind_session.NorthwindDatabase"):
        return asyncio.run(sessions.ask(question)), sessions.retries


def test_a_question_is_asked_again_while_the_database_is_away() -> None:
    killed = psycopg2.OperationalError("server closed the connection unexpectedly")
    in_the_middle = psycopg2.DatabaseError("error with status PGRES_TUPLES_OK and no message")
    closed = psycopg2.InterfaceError("connection already closed")
    assert ask([killed, in_the_middle, closed, None], 30) == ("830", 3)


def test_a_database_that_stays_away_is_told() -> None:
    with pytest.raises(NoDatabaseError, match="the read database has not answered"):
        ask([psycopg2.OperationalError("no route")], 0.15)


def test_what_is_wrong_with_a_question_is_not_repeated() -> None:
    with pytest.raises(psycopg2.ProgrammingError):
        ask([psycopg2.ProgrammingError("no such column"), None], 30)
