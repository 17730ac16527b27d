"""`python -m infra.local.demo`: places the Northwind orders and proves what the read side says.

All orders go through the API, with idempotency keys of their own: interrupted and started again, it
goes on and places none twice. Then each order, as the API and the tables of the read database have
it, is compared with what Northwind's own SQL computes.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from infra.local.api_client import ApiClient, ApiError
from infra.local.issuer import load_or_create_key, mint_token
from infra.local.northwind import (
    Customer,
    Expected,
    NorthwindDatabase,
    NorthwindOrder,
    load_orders,
    reference_of,
)
from infra.local.ports import HOST
from infra.local.settings import AUDIENCE, DEFAULT_STATE
from infra.local.stack_record import is_locked, read_record

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

CLIENTS: Final = 4
_SHOWN_CUSTOMERS: Final = 10
_SHOWN_DIFFERENCES: Final = 20
_INTERRUPTED: Final = 130
_PAGE: Final = 100

Item = tuple[NorthwindOrder, "PlacedOrder"]


class NoStackError(Exception):
    """There is no running stack to talk to."""


@dataclass(frozen=True)
class Target:
    """A running stack, and an operator's token for it."""

    api_url: str
    token: str
    read_database: int
    pgpass: str

    @classmethod
    def of(cls, state_dir: Path) -> Self:
        """Find the stack of a state directory. Raises NoStackError."""
        record = read_record(state_dir)
        if record is None or not record.ready or not is_locked(state_dir):
            raise NoStackError("No stack is running: start one with `make up` in another terminal.")
        key = load_or_create_key(state_dir)
        token = mint_token(key, record.issuer, AUDIENCE, customer=None)
        return cls(record.api_url, token, record.ports.read_database, record.pgpass)


@dataclass(frozen=True)
class PlacedOrder:
    """What the commands have answered: the order's id, latest version and Consistency-Token."""

    order_id: str
    version: int
    token: str


@dataclass
class Report:
    """What was done and found. `differences` is empty when everything is equal."""

    orders: int = 0
    lines: int = 0
    equal_orders: int = 0
    equal_lines: int = 0
    commands: int = 0
    retries: int = 0
    place_seconds: float = 0.0
    check_seconds: float = 0.0
    listed: Mapping[str, tuple[int, Decimal]] = field(default_factory=dict)
    customers: Sequence[Customer] = ()
    differences: list[str] = field(default_factory=list)


async def run_demo(
    target: Target,
    *,
    clients: int = CLIENTS,
    patience_seconds: float = 180,
    console: Console | None = None,
) -> Report:
    """Place and confirm every order, then compare. Progress goes to `console`.

    Raises ApiError when the API refuses, or nothing succeeds for `patience_seconds`.
    """
    report = Report()
    orders = load_orders()
    with _progress(console) as progress:
        async with ApiClient(
            target.api_url, target.token, patience_seconds=patience_seconds
        ) as client:
            placed = await _place(client, orders, clients, progress, report)
            await _check(client, target, placed, clients, progress, report)
            report.retries = client.retries
    return report


async def _place(
    client: ApiClient,
    orders: Sequence[NorthwindOrder],
    clients: int,
    progress: Progress,
    report: Report,
) -> list[Item]:
    placed: list[Item] = []

    async def place(order: NorthwindOrder) -> None:
        reply = await client.post("/orders", f"northwind-place-{order.number}", order.body)
        report.commands += 1
        if order.shipped:
            path = f"/orders/{reply.body['order_id']}/confirm"
            reply = await client.post(path, f"northwind-confirm-{order.number}")
            report.commands += 1
        body = reply.body
        token = reply.headers["consistency-token"]
        placed.append((order, PlacedOrder(body["order_id"], body["version"], token)))

    began = time.monotonic()
    await _spread(orders, place, clients, progress, "placing and confirming orders")
    report.place_seconds = time.monotonic() - began
    return placed


async def _check(
    client: ApiClient,
    target: Target,
    placed: Sequence[Item],
    clients: int,
    progress: Progress,
    report: Report,
) -> None:
    database = await asyncio.to_thread(
        NorthwindDatabase, HOST, target.read_database, target.pgpass
    )
    try:
        expected = await asyncio.to_thread(database.expected_orders)
        report.customers = await asyncio.to_thread(database.expected_customers)
        report.orders = len(expected)
        report.lines = sum(len(order.lines) for order in expected.values())
        of_customer: dict[str, list[Item]] = {}
        for item in placed:
            of_customer.setdefault(item[0].body["customer_id"], []).append(item)
        listed: dict[str, tuple[int, Decimal]] = {}

        async def check_order(item: Item) -> None:
            order, at = item
            reply = await client.get(f"/orders/{at.order_id}", at.token)
            found = _order_differences(reply.body, at, expected[order.number])
            lines = sum(1 for each in found if each.startswith("line "))
            report.equal_orders += not found
            report.equal_lines += len(expected[order.number].lines) - lines
            report.differences += [f"{order.reference}: {each}" for each in found]

        async def check_customer(customer: Customer) -> None:
            items = of_customer.get(customer.customer_id, [])
            orders = await _list_orders(client, customer.customer_id, items)
            report.differences += _list_differences(orders, items, expected)
            total = sum((Decimal(each["total"]["amount"]) for each in orders), Decimal(0))
            listed[customer.customer_id] = (len(orders), total)

        began = time.monotonic()
        await _spread(placed, check_order, clients, progress, "comparing orders")
        await _spread(report.customers, check_customer, clients, progress, "comparing lists")
        ids = {at.order_id: order.number for order, at in placed}
        report.differences += await asyncio.to_thread(database.table_differences, ids)
        report.listed = listed
        report.check_seconds = time.monotonic() - began
    finally:
        database.close()


async def _list_orders(
    client: ApiClient, customer_id: str, items: Sequence[Item]
) -> list[dict[str, Any]]:
    """Read a customer's whole list, page by page; only Northwind's orders count."""
    tokens = ", ".join(at.token for _, at in items)
    orders: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        reply = await client.get(
            f"/customers/{customer_id}/orders", tokens, limit=_PAGE, **cursor
        )
        orders += reply.body["items"]
        if reply.body["next_cursor"] is None:
            return [each for each in orders if (each["reference"] or "").startswith("northwind-")]
        cursor = {"cursor": reply.body["next_cursor"]}


def _order_differences(order: Mapping[str, Any], at: PlacedOrder, expected: Expected) -> list[str]:
    """Say what of GET /orders/{order_id} is not what Northwind computes."""
    differences = []
    seen = {line["sku"]: line for line in order["lines"]}
    for sku in sorted(seen.keys() | expected.lines.keys()):
        is_, should = seen.get(sku), expected.lines.get(sku)
        if is_ is None or should is None:
            differences.append(f"line of {sku} is {'missing' if is_ is None else 'too many'}")
            continue
        amounts = (is_["quantity"], _amount(is_["unit_price"]), _amount(is_["total"]))
        if amounts != (should.quantity, should.unit_price, should.total):
            differences.append(f"line of {sku} has {amounts}, not {should}")
    totals = order["totals"]
    for name, value, wanted in (
        ("version", order["version"], at.version),
        ("customer", order["customer_id"], expected.customer_id),
        ("sum of lines", _amount(totals["lines"]), expected.subtotal),
        ("freight", _amount(totals["shipping"]), expected.freight),
        ("total", _amount(totals["total"]), expected.total),
    ):
        if value != wanted:
            differences.append(f"{name} is {value}, not {wanted}")
    return differences


def _list_differences(
    orders: Sequence[Mapping[str, Any]], items: Sequence[Item], expected: Mapping[int, Expected]
) -> list[str]:
    """Say what of a customer's list is missing, there twice, or has another total."""
    times = Counter(each["reference"] for each in orders)
    totals = {each["reference"]: _amount(each["total"]) for each in orders}
    differences = []
    for order, _ in items:
        if times[order.reference] != 1:
            differences.append(f"{order.reference} is listed {times[order.reference]} times")
        elif totals[order.reference] != expected[order.number].total:
            differences.append(f"{order.reference} is listed with {totals[order.reference]}")
    return differences


def _amount(money: Mapping[str, str]) -> Decimal:
    return Decimal(money["amount"])


async def _spread(
    items: Iterable[Any],
    work: Callable[[Any], Awaitable[None]],
    clients: int,
    progress: Progress,
    title: str,
) -> None:
    """Do the work for each item, `clients` at a time."""
    waiting = list(items)
    bar = progress.add_task(title, total=len(waiting))
    queue = iter(waiting)

    async def one_client() -> None:
        for item in queue:
            await work(item)
            progress.advance(bar)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(one_client())
    except* ApiError as errors:
        raise errors.exceptions[0] from None
