"""`make demo`: places the Northwind orders and proves what the read side says.

All orders go through the API, those that it does not list yet with idempotency keys of their own:
interrupted and started again, at once or weeks later, it goes on and places none twice. Then each
order, as the API and the tables of the read database have it, and what the operators' queries say
of all together is compared with what Northwind's own SQL computes.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

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

from infra.local.command_line import run_command
from infra.local.demo.api_client import ApiClient, ApiError
from infra.local.demo.northwind import load_orders
from infra.local.demo.northwind_session import NoDatabaseError, NorthwindSessions
from infra.local.demo.questions import Month
from infra.local.demo.steps import Demo, Report
from infra.local.gateway.issuer import load_or_create_key, mint_token
from infra.local.servers.ports import HOST
from infra.local.settings import AUDIENCE, DEFAULT_STATE
from infra.local.stack_record import is_locked, read_record

CLIENTS: Final = 4
_SHOWN_CUSTOMERS: Final = 10
_SHOWN_DIFFERENCES: Final = 20


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
        # An operator's: a checkout could not say that the orders were placed in 1996.
        token = mint_token(
            key, record.issuer, AUDIENCE, customer=None, scope_prefix=record.scope_prefix
        )
        return cls(record.api_url, token, record.ports.read_database, record.pgpass)


async def run_demo(
    target: Target,
    *,
    clients: int = CLIENTS,
    patience_seconds: float = 180,
    console: Console | None = None,
) -> Report:
    """Place and confirm every order, then compare. Progress goes to `console`.

    Raises ApiError when the API refuses, or nothing succeeds for `patience_seconds`, and
    NoDatabaseError when the read database does not answer for that long.
    """
    database = NorthwindSessions(
        HOST, target.read_database, target.pgpass, patience_seconds=patience_seconds
    )
    with _progress(console) as progress:
        async with ApiClient(
            target.api_url, target.token, patience_seconds=patience_seconds
        ) as client:
            demo = Demo(client, database, clients, progress)
            orders = load_orders()
            await demo.expect()
            await demo.find(orders)
            await demo.check(await demo.place(orders))
            demo.report.retries = client.retries + database.retries
            return demo.report


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
    _show_answers(report, console)
    rate = report.commands / report.place_seconds
    if report.found:
        console.print(f"{report.found} orders were there already", highlight=False)
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


def _show_answers(report: Report, console: Console) -> None:
    wanted = report.wanted
    table = Table("month", title="Sales per month, USD (Northwind's own sums beside them)")
    for column in ("orders", "items", "gross", "in Northwind", "shipping"):
        table.add_column(column, justify="right")
    for month, sold in sorted(report.answers.months.items()):
        theirs = wanted.months.get(month, Month())
        numbers = (sold.gross, theirs.gross, sold.shipping)
        cells = (f"{sold.orders}", f"{sold.items}", *(f"{number:,.2f}" for number in numbers))
        table.add_row(month, *cells)
    console.print(table)
    table = Table("SKU", "", title="Top products, USD")
    for column in ("units", "revenue", "in Northwind"):
        table.add_column(column, justify="right")
    revenues = {sku: revenue for sku, _, revenue in wanted.products}
    for sku, units, revenue in report.answers.products:
        cells = (f"{units}", f"{revenue:,.2f}", f"{revenues.get(sku, 0):,.2f}")
        table.add_row(sku, wanted.names.get(sku, ""), *cells)
    console.print(table)
    table = Table("customer", title="Best customers, USD")
    for column in ("orders", "value", "in Northwind"):
        table.add_column(column, justify="right")
    values = {customer_id: total for customer_id, _, total in wanted.customers}
    for customer_id, orders, value in report.answers.customers:
        cells = (f"{orders}", f"{value:,.2f}", f"{values.get(customer_id, 0):,.2f}")
        table.add_row(customer_id, *cells)
    console.print(table)
    table = Table("stage", title="Work queue")
    for column in ("waiting", "of Northwind's", "in Northwind"):
        table.add_column(column, justify="right")
    for stage, waiting in report.stages.items():
        counts = [
            sum(stage in each for each in answers.waiting.values())
            for answers in (report.answers, wanted)
        ]
        table.add_row(stage, f"{waiting}", *map(str, counts))
    console.print(table)


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
        raise
    except (NoStackError, ApiError, NoDatabaseError) as problem:
        print(problem, file=sys.stderr)
        return 1
    show(report, console)
    return int(bool(report.differences))


if __name__ == "__main__":
    run_command("infra.local.demo.run", main)
