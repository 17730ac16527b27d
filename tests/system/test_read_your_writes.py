"""A query that has a command's token answers with the command in it, or says that it does not."""

from __future__ import annotations

import os
import random
import statistics
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import pytest

from infra.contracts.functions import files_of
from ordering.read_side.query import READ_MODELS
from tests.running_stack import leave_to_apache
from tests.shared import an_order

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.running_stack import Answer, RunningStack

pytestmark = pytest.mark.system

PAIRS: Final = int(os.environ.get("PAIRS", "120"))
"""So many commands, each with a query after it; `make prove-reads` makes 10,000."""
CLIENTS: Final = 4
CURRENCIES: Final = ("EUR", "USD", "GBP", "CHF")
LONGEST_DELAY_SECONDS: Final = 1.5


class Delays:
    """Keeps one projector after the other from writing for a while."""

    def __init__(self, stack: RunningStack) -> None:
        self._stack = stack
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _work(self) -> None:
        chance = random.Random(1)  # noqa: S311 - the same delays each time
        while not self._is_over.is_set():
            with self._stack.read_database() as cursor:
                name = chance.choice(READ_MODELS)
                cursor.execute("select lock_read_model(%(name)s)", {"name": name})
                self._is_over.wait(chance.uniform(0.05, LONGEST_DELAY_SECONDS))
            self._is_over.wait(0.05)


class Client:
    """Does something with an order of its own, and asks for it at once with the token."""

    def __init__(self, stack: RunningStack, number: int) -> None:
        self._stack = stack
        self._bearer = f"Bearer {stack.jwt(ttl_seconds=7200)}"
        self._chance = random.Random(number)  # noqa: S311 - the same questions each time
        self._currency = CURRENCIES[number]
        self._customer = f"READER-{number}-{time.time_ns()}"
        self._sku = f"sku-{self._customer}"
        self._confirmed = self._placed = 0
        self._order_id = ""
        self._version = 0
        self._is_held = False
        self._sold_before = self._sold()
        self.pairs: Counter[str] = Counter()
        self.told: Counter[str] = Counter()
        self.waits: list[float] = []

    def work(self, pairs: int) -> None:
        while self.pairs.total() < pairs:
            for command, questions in self._life():
                token = command()
                # Rather what only this command shows.
                stem = self._chance.choice([*questions * 3, *self._of_any_command()])
                self._ask(stem, token)
                self.pairs[stem] += 1

    # ── commands ────────────────────────────────────────────────────────────────────────────────
    def _life(self) -> list[tuple[Callable[[], str], list[str]]]:
        return [
            (self._place, ["get_customer_summary", "list_customers"]),
            (self._confirm, ["get_sales_by_day", "get_top_products", "get_work_queue"]),
            (lambda: self._command("hold", {"reason": "wait"}, is_held=True), ["get_work_queue"]),
            (lambda: self._command("release", is_held=False), ["get_work_queue"]),
            (lambda: self._command("notes", {"text": "Read me."}), []),
        ]

    def _place(self) -> str:
        money = {"amount": "10.00", "currency": self._currency}
        line = {"sku": self._sku, "quantity": 2, "unit_price": money}
        order = an_order(customer_id=self._customer, currency=self._currency, lines=[line])
        answer = self._call("POST", "/orders", order)
        assert answer.status == 201, answer
        self._order_id, self._version = answer.body["order_id"], 1
        self._placed += 1
        return answer.token

    def _confirm(self) -> str:
        token = self._command("confirm")
        self._confirmed += 1
        return token

    def _command(self, path: str, body: object = None, *, is_held: bool | None = None) -> str:
        answer = self._call("POST", f"/orders/{self._order_id}/{path}", body)
        assert answer.status == 200, answer
        self._version = answer.body["version"]
        self._is_held = self._is_held if is_held is None else is_held
        return answer.token

    # ── questions ───────────────────────────────────────────────────────────────────────────────
    @staticmethod
    def _of_any_command() -> list[str]:
        return [
            *("get_order", "get_order_history", "list_customer_orders", "search_orders"),
            "get_read_models",
        ]

    def _ask(self, stem: str, token: str) -> None:
        """Ask at once, or with a wait; what was not in the answer at once is waited for."""
        path, check = self._question(stem)
        if self._chance.random() < 0.5:
            if self._is_there(stem, path, check, token, ""):
                return
            self.told["at once"] += 1
            began = time.monotonic()
            is_there = self._is_there(stem, path, check, token, "wait=20")
            self.waits.append(time.monotonic() - began)
        else:
            is_there = self._is_there(stem, path, check, token, "wait=20")
        self.told["after a wait"] += not is_there

    def _is_there(
        self, stem: str, path: str, check: Callable[[Any], bool], token: str, prefer: str
    ) -> bool:
        """Return whether the command is in the answer; if it is not, the answer has to say so."""
        answer = self._call("GET", path, consistency_token=token, prefer=prefer)
        if answer.status == 503:
            assert answer.body["code"] == "read-model-behind", answer
            return False
        assert answer.status == 200, answer
        if answer.headers["read-model-stale"] == "?1":
            return False
        assert check(answer.body), (stem, self._version, answer.body)
        return True

    def _question(self, stem: str) -> tuple[str, Callable[[Any], bool]]:
        order, customer = self._order_id, self._customer
        questions: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
            "get_order": (f"/orders/{order}", lambda b: b["version"] == self._version),
            "get_order_history": (
                f"/orders/{order}/history",
                lambda b: b["items"][-1]["version"] == self._version,
            ),
            "list_customer_orders": (f"/customers/{customer}/orders?limit=1", self._is_first),
            "search_orders": (f"/orders?q={order}", self._is_first),
            "get_customer_summary": (
                f"/customers/{customer}/summary",
                lambda b: b["currencies"][0]["orders"] == self._placed,
            ),
            "list_customers": (
                f"/customers?q={customer}",
                lambda b: b["items"][0]["orders"] == self._placed,
            ),
            "get_work_queue": (
                "/work-queue?limit=100&stage=held",
                lambda b: (order in [i["order_id"] for i in b["items"]]) == self._is_held,
            ),
            "get_sales_by_day": (
                f"/sales/daily?currency={self._currency}",
                lambda b: (
                    sum(i["orders"] for i in b["items"]) == self._sold_before + self._confirmed
                ),
            ),
            "get_top_products": (
                f"/sales/products?currency={self._currency}&limit=100",
                lambda b: (
                    {i["sku"]: i["sold"] for i in b["items"]}[self._sku] == 2 * self._confirmed
                ),
            ),
            "get_read_models": ("/read-models", lambda b: len(b["items"]) == len(READ_MODELS)),
        }
        return questions[stem]

    def _is_first(self, body: Any) -> bool:  # noqa: ANN401 - any answer's body
        first = body["items"][0]
        return (first["order_id"], first["version"]) == (self._order_id, self._version)

    def _sold(self) -> int:
        path = f"/sales/daily?currency={self._currency}"
        days = self._call("GET", path, cache_control="max-age=2", prefer="wait=20").body["items"]
        return sum(day["orders"] for day in days)

    def _call(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        headers = {name: value for name, value in headers.items() if value}
        return self._stack.call(method, path, body, authorization=self._bearer, **headers)


def test_no_answer_lacks_a_command_without_saying_so(
    stack: RunningStack, capsys: pytest.CaptureFixture[str]
) -> None:
    leave_to_apache(stack)
    clients = [Client(stack, number) for number in range(CLIENTS)]
    began = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as threads, Delays(stack):
        working = [threads.submit(client.work, PAIRS // CLIENTS) for client in clients]
        for each in working:
            each.result()
    pairs: Counter[str] = sum((client.pairs for client in clients), Counter())
    told: Counter[str] = sum((client.told for client in clients), Counter())
    waits = sorted(wait for client in clients for wait in client.waits)
    quantiles = statistics.quantiles(waits, n=100)
    with capsys.disabled():
        print(  # noqa: T201 - the figures
            f"\n{pairs.total()} commands and queries in {time.monotonic() - began:.0f} s:"
            f" {dict(sorted(pairs.items()))}; {told['at once']} were told at once that the command"
            f" is not there yet and waited: p50 {quantiles[49] * 1000:.0f} ms,"
            f" p99 {quantiles[98] * 1000:.0f} ms; {told['after a wait']} were told so after a wait"
        )
    assert pairs.total() >= PAIRS
    assert pairs.keys() == {file.stem for file in files_of("queries")}
    assert told["at once"] > PAIRS / 20
