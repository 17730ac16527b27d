"""`make demo`: places the Northwind orders and proves what the read side says.

All orders go through the API, with idempotency keys of their own: interrupted and started again, it
goes on and places none twice. Then each order, as the API and the tables of the read database have
it, is compared with what Northwind's own SQL computes.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from infra.local.demo.api_client import ApiClient, ApiError
from infra.local.demo.checks import PlacedOrder, list_differences, order_differences
from infra.local.demo.northwind import Customer, NorthwindDatabase, NorthwindOrder, load_orders
from infra.local.gateway.issuer import load_or_create_key, mint_token
from infra.local.servers.ports import HOST
from infra.local.settings import AUDIENCE, DEFAULT_STATE
from infra.local.stack_record import is_locked, read_record

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

CLIENTS: Final = 4
_SHOWN_CUSTOMERS: Final = 10
_SHOWN_DIFFERENCES: Final = 20
_INTERRUPTED: Final = 130
_PAGE: Final = 100

Item = TypeVar("Item")


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
    customers: Sequence[Customer] = ()
    listed: dict[str, tuple[int, Decimal]] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """Say in one line how much is equal."""
        orders = f"{self.equal_orders} of {self.orders} orders"
        lines = f"{self.equal_lines} of {self.lines} lines"
        if self.differences:
            return f"{orders} and {lines} equal; {len(self.differences)} differences"
        return f"{orders}, {lines} and all totals equal"


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
    with _progress(console) as progress:
        async with ApiClient(
            target.api_url, target.token, patience_seconds=patience_seconds
        ) as client:
            demo = _Demo(client, clients, progress)
            placed = await demo.place(load_orders())
            database = await asyncio.to_thread(
                NorthwindDatabase, HOST, target.read_database, target.pgpass
            )
            try:
                await demo.check(placed, database)
            finally:
                database.close()
            demo.report.retries = client.retries
            return demo.report


class _Demo:
    """One run: `clients` requests at a time, progress shown on `progress`."""

    def __init__(self, client: ApiClient, clients: int, progress: Progress) -> None:
        self.report = Report()
        self._client = client
        self._clients = clients
        self._progress = progress

    async def place(self, orders: Sequence[NorthwindOrder]) -> list[PlacedOrder]:
        """Place the orders, and confirm those that Northwind has shipped."""
        placed: list[PlacedOrder] = []

        async def place(order: NorthwindOrder) -> None:
            path, key = "/orders", f"northwind-place-{order.number}"
            reply = await self._client.post(path, key, order.body)
            self.report.commands += 1
            if order.shipped:
                path = f"/orders/{reply.body['order_id']}/confirm"
                reply = await self._client.post(path, f"northwind-confirm-{order.number}")
                self.report.commands += 1
            token = reply.headers["consistency-token"]
            body = reply.body
            placed.append(PlacedOrder(order, body["order_id"], body["version"], token))

        began = time.monotonic()
        await self._for_each(orders, place, "placing and confirming orders")
        self.report.place_seconds = time.monotonic() - began
        return placed

    async def check(self, placed: Sequence[PlacedOrder], database: NorthwindDatabase) -> None:
        """Compare every order, every customer's list and the tables with Northwind."""
        report = self.report
        expected = await asyncio.to_thread(database.expected_orders)
        report.customers = await asyncio.to_thread(database.expected_customers)
        report.orders = len(expected)
        report.lines = sum(len(order.lines) for order in expected.values())
        of_customer: dict[str, list[PlacedOrder]] = {}
        for each in placed:
            of_customer.setdefault(each.order.body["customer_id"], []).append(each)

        async def check_order(placed: PlacedOrder) -> None:
            reply = await self._client.get(f"/orders/{placed.order_id}", placed.token)
            wanted = expected[placed.order.number]
            found = order_differences(reply.body, placed, wanted)
            wrong_lines = sum(1 for difference in found if difference.startswith("line "))
            report.equal_orders += not found
            report.equal_lines += len(wanted.lines) - wrong_lines
            report.differences += [f"{placed.order.reference}: {each}" for each in found]

        async def check_list(customer: Customer) -> None:
            own = of_customer.get(customer.customer_id, [])
            orders = await self._list_orders(customer.customer_id, own)
            report.differences += list_differences(orders, own, expected)
            total = sum((Decimal(order["total"]["amount"]) for order in orders), Decimal(0))
            report.listed[customer.customer_id] = (len(orders), total)

        began = time.monotonic()
        await self._for_each(placed, check_order, "comparing orders")
        await self._for_each(report.customers, check_list, "comparing customers' lists")
        ids = {each.order_id: each.order.number for each in placed}
        report.differences += await asyncio.to_thread(database.table_differences, ids)
        report.check_seconds = time.monotonic() - began

    async def _list_orders(
        self, customer_id: str, own: Sequence[PlacedOrder]
    ) -> list[Mapping[str, Any]]:
        """Read a customer's whole list, page by page; only Northwind's orders count."""
        tokens = ", ".join(placed.token for placed in own)
        path = f"/customers/{customer_id}/orders"
        reply = await self._client.get(path, tokens, limit=_PAGE)
        orders = [*reply.body["items"]]
        while cursor := reply.body["next_cursor"]:
            reply = await self._client.get(path, tokens, limit=_PAGE, cursor=cursor)
            orders += reply.body["items"]
        return [order for order in orders if (order["reference"] or "").startswith("northwind-")]

    async def _for_each(
        self, items: Sequence[Item], work: Callable[[Item], Awaitable[None]], title: str
    ) -> None:
        bar = self._progress.add_task(title, total=len(items))
        queue = iter(items)

        async def one_client() -> None:
            for item in queue:
                await work(item)
                self._progress.advance(bar)

        clients = [asyncio.create_task(one_client()) for _ in range(self._clients)]
        try:
            await asyncio.gather(*clients)
        finally:
            for client in clients:
                client.cancel()


class _Rate(ProgressColumn):
    """How many per second, of late."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.finished_speed or task.speed or 0:.0f}/s", justify="right")


def _progress(console: Console | None) -> Progress:
    return Progress(
        TextColumn("{task.description:30}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeElapsedColumn(),
        console=console,
        disable=console is None,
    )


def show(report: Report, console: Console) -> None:
    """Print what was found, for people."""
    table = Table("customer", "", title="Customers with the most orders")
    table.add_column("orders", justify="right")
    table.add_column("in Northwind", justify="right")
    table.add_column("total, USD", justify="right")
    for customer in report.customers[:_SHOWN_CUSTOMERS]:
        count, total = report.listed[customer.customer_id]
        cells = (f"{count}", f"{customer.orders}", f"{total:,.2f}")
        table.add_row(customer.customer_id, customer.name, *cells)
    console.print(table)
    rate = report.commands / report.place_seconds
    console.print(
        f"{report.commands} commands in {report.place_seconds:.1f} s ({rate:.0f} per second), "
        f"{report.retries} requests repeated; compared in {report.check_seconds:.1f} s",
        highlight=False,
    )
    for difference in report.differences[:_SHOWN_DIFFERENCES]:
        console.print(f"  {difference}", style="red", highlight=False)
    if len(report.differences) > _SHOWN_DIFFERENCES:
        console.print(f"  and {len(report.differences) - _SHOWN_DIFFERENCES} more", style="red")
    console.print(report.verdict, style="red" if report.differences else "green", highlight=False)


def main() -> int:
    """Run the command line; the exit status is 0 only when everything is equal."""
    parser = argparse.ArgumentParser(description="Place the Northwind orders, and compare.")
    parser.add_argument("--state-dir", type=Path, default=DEFAULT_STATE)
    parser.add_argument("--clients", type=int, default=CLIENTS, help="requests at a time")
    options = parser.parse_args()
    console = Console()
    try:
        target = Target.of(options.state_dir.resolve())
        report = asyncio.run(run_demo(target, clients=options.clients, console=console))
    except KeyboardInterrupt:
        print("interrupted; started again, it goes on where it was", file=sys.stderr)
        return _INTERRUPTED
    except (NoStackError, ApiError) as problem:
        print(problem, file=sys.stderr)
        return 1
    show(report, console)
    return int(bool(report.differences))


if __name__ == "__main__":
    raise SystemExit(main())
