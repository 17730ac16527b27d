"""The steps of the demo: what is there already, what is missing, and whether all is equal."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from infra.local.demo.checks import PlacedOrder, list_differences, order_differences
from infra.local.demo.questions import Answers, ask, expected_answers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from rich.progress import Progress

    from infra.local.demo.api_client import ApiClient
    from infra.local.demo.northwind import Customer, Expected, NorthwindOrder
    from infra.local.demo.northwind_session import NorthwindSessions

_PAGE: Final = 100
_WATERMARK_SECONDS: Final = 3  # a read model's age is below this when all is well
_FRESH_SECONDS: Final = 60  # keys are remembered for far longer; what they know need not be seen

Item = TypeVar("Item")


@dataclass
class Report:
    """What was done and found. `differences` is empty when everything is equal.

    `found` is how many orders an earlier run had placed already.
    """

    found: int = 0
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
    wanted: Answers = field(default_factory=Answers)
    answers: Answers = field(default_factory=Answers)
    stages: Mapping[str, int] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """Return in one line how much is equal."""
        orders = f"{self.equal_orders} of {self.orders} orders"
        lines = f"{self.equal_lines} of {self.lines} lines"
        if self.differences:
            return f"{orders} and {lines} equal; {len(self.differences)} differences"
        return f"{orders}, {lines} and all totals equal"


class Demo:
    """One run: `clients` requests at a time, progress shown on `progress`.

    The steps are `expect`, `find`, `place` and `check`, in this order.
    """

    def __init__(
        self, client: ApiClient, database: NorthwindSessions, clients: int, progress: Progress
    ) -> None:
        self.report = Report()
        self._client = client
        self._database = database
        self._clients = clients
        self._progress = progress
        self._expected: Mapping[int, Expected] = {}
        self._found: dict[str, Mapping[str, Any]] = {}
        self._found_at = self._placed_at = time.monotonic()

    async def expect(self) -> None:
        """Compute what the orders amount to by Northwind's own SQL."""
        self._expected, self.report.customers, self.report.wanted = await self._database.ask(
            lambda database: (
                database.expected_orders(),
                database.expected_customers(),
                expected_answers(database),
            )
        )
        self.report.orders = len(self._expected)
        self.report.lines = sum(len(order.lines) for order in self._expected.values())

    async def find(self, orders: Sequence[NorthwindOrder]) -> None:
        """Learn which orders are there from an earlier run, whose keys may be forgotten by now."""

        async def find(customer_id: str) -> None:
            for item in await self._list_orders(customer_id, max_age=_FRESH_SECONDS):
                self._found.setdefault(item["reference"], item)

        customers = sorted({order.body["customer_id"] for order in orders})
        await self._for_each(customers, find, "looking for earlier orders")
        self._found_at = time.monotonic()
        self.report.found = len(self._found)

    async def place(self, orders: Sequence[NorthwindOrder]) -> list[PlacedOrder]:
        """Place the orders that are missing, and confirm those that Northwind has shipped."""
        placed: list[PlacedOrder] = []

        async def place(order: NorthwindOrder) -> None:
            state, token = self._found.get(order.reference), ""
            if state is None:
                key = f"northwind-place-{order.number}"
                state, token = await self._command("/orders", key, order.body)
            if order.shipped and state["status"] == "placed":
                path = f"/orders/{state['order_id']}/confirm"
                key = f"northwind-confirm-{order.number}"
                # At noon, it is the same day in nearly every time zone of a business.
                then = {"confirmed_at": order.body["placed_at"].replace("T00:", "T12:")}
                state, token = await self._command(path, key, then)
            placed.append(PlacedOrder(order, state["order_id"], state["version"], token))

        began = time.monotonic()
        await self._for_each(orders, place, "placing and confirming orders")
        self._placed_at = time.monotonic()
        self.report.place_seconds = self._placed_at - began
        return placed

    async def check(self, placed: Sequence[PlacedOrder]) -> None:
        """Compare every order, customer's list, table and the operators' answers with Northwind."""
        report, expected = self.report, self._expected
        of_customer: dict[str, list[PlacedOrder]] = {}
        for each in placed:
            of_customer.setdefault(each.order.body["customer_id"], []).append(each)

        async def check_order(placed: PlacedOrder) -> None:
            max_age = None if placed.token else await self._age_of_what_was_found()
            path = f"/orders/{placed.order_id}"
            reply = await self._client.get(path, placed.token, max_age=max_age)
            wanted = expected[placed.order.number]
            found = order_differences(reply.body, placed, wanted)
            wrong_lines = sum(1 for difference in found if difference.startswith("line "))
            report.equal_orders += not found
            report.equal_lines += len(wanted.lines) - wrong_lines
            report.differences += [f"{placed.order.reference}: {each}" for each in found]

        async def check_list(customer: Customer) -> None:
            own = of_customer.get(customer.customer_id, [])
            tokens = ", ".join(placed.token for placed in own if placed.token)
            orders = await self._list_orders(customer.customer_id, tokens)
            report.differences += list_differences(orders, own, expected)
            total = sum((Decimal(order["total"]["amount"]) for order in orders), Decimal(0))
            report.listed[customer.customer_id] = (len(orders), total)

        began = time.monotonic()
        await self._for_each(placed, check_order, "comparing orders")
        await self._for_each(report.customers, check_list, "comparing customers' lists")
        ids = {each.order_id: each.order.number for each in placed}
        report.differences += await self._database.ask(
            lambda database: database.table_differences(ids)
        )
        await self._ask_questions()
        report.check_seconds = time.monotonic() - began

    async def _ask_questions(self) -> None:
        """Compare what the operators' queries answer with Northwind's own tables."""
        report = self.report
        await asyncio.sleep(self._placed_at + _WATERMARK_SECONDS - time.monotonic())
        max_age = int(time.monotonic() - self._placed_at)
        queue = (await self._client.get("/work-queue", max_age=max_age)).body
        report.stages = {each["stage"]: each["waiting"] for each in queue["stages"]}
        report.answers = await ask(
            self._client, [*report.wanted.months], set(report.stages), max_age
        )
        report.differences += report.answers.differences(report.wanted)

    async def _age_of_what_was_found(self) -> int:
        """Return the max-age of answers that have the found orders, when it can be met."""
        await asyncio.sleep(self._found_at + _WATERMARK_SECONDS - time.monotonic())
        return int(time.monotonic() - self._found_at)

    async def _command(
        self, path: str, key: str, body: object = None
    ) -> tuple[Mapping[str, Any], str]:
        """Return a command's answer, which has the order's state, and its Consistency-Token."""
        reply = await self._client.post(path, key, body)
        self.report.commands += 1
        return reply.body, reply.headers["consistency-token"]

    async def _list_orders(
        self, customer_id: str, tokens: str = "", *, max_age: int | None = None
    ) -> list[Mapping[str, Any]]:
        """Read a customer's whole list, page by page; only Northwind's orders count."""
        ask = partial(
            self._client.get,
            f"/customers/{customer_id}/orders",
            tokens,
            max_age=max_age,
            limit=_PAGE,
        )
        reply = await ask()
        orders = [*reply.body["items"]]
        while cursor := reply.body["next_cursor"]:
            reply = await ask(cursor=cursor)
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
