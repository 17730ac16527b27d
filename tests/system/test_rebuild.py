"""A read model is filled anew and switched, there and back, while clients write and read."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.operate import invoke
from tests.shared import an_order

if TYPE_CHECKING:
    from tests.running_stack import Answer, RunningStack

pytestmark = pytest.mark.system

CLIENTS = 4
QUERIES = 300
MODELS = ("order_details", "customer_orders", "customer_summary")
AUDIT = {"who": "test", "reason": "a rebuild under load"}


class Client:
    """Places orders and confirms them, and reads each at once, and its customer's, until told."""

    def __init__(self, stack: RunningStack, number: int) -> None:
        self._stack = stack
        self._customer = f"REBUILD-{number}"
        self._bearer = f"Bearer {stack.jwt()}"
        self.asked: Counter[str] = Counter()

    def work(self, is_over: threading.Event) -> None:
        placed = 0
        while not is_over.is_set():
            answer = self._call("POST", "/orders", an_order(customer_id=self._customer))
            placed += 1
            order_id, token = answer.body["order_id"], answer.token
            orders = f"/customers/{self._customer}"
            for version in (1, 2):
                details = self._read(f"/orders/{order_id}", token)
                if details is not None:
                    assert details["version"] >= version
                if version == 1:
                    token = self._call("POST", f"/orders/{order_id}/confirm").token
            newest = self._read(f"{orders}/orders?limit=1", token)
            if newest is not None:
                assert [item["order_id"] for item in newest["items"]] == [order_id]
            summary = self._read(f"{orders}/summary", token)
            if summary is not None:
                assert [each["orders"] for each in summary["currencies"]] == [placed]

    def _call(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        return self._stack.call(method, path, body, authorization=self._bearer, **headers)

    def _read(self, path: str, token: str) -> Any:  # noqa: ANN401 - any answer's body
        """Return the answer; None: it says that it may be older than the token."""
        answer = self._call("GET", path, consistency_token=token, prefer="wait=10")
        if answer.status == 503 and answer.body["code"] == "read-model-behind":
            self.asked["behind"] += 1
            return None
        assert answer.status == 200, answer
        if answer.headers["read-model-stale"] == "?1":
            self.asked["stale"] += 1
            return None
        self.asked["fresh"] += 1
        return answer.body


def test_no_query_fails_or_is_older_than_it_says_while_read_models_are_rebuilt(
    stack: RunningStack, capsys: pytest.CaptureFixture[str]
) -> None:
    def operate(operation: str, **request: object) -> Any:  # noqa: ANN401 - any answer
        return invoke(stack.record, operation, {**AUDIT, **request})

    is_over = threading.Event()
    switched = 0
    clients = [Client(stack, number) for number in range(CLIENTS)]
    began = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as threads:
        working = [threads.submit(client.work, is_over) for client in clients]
        try:
            while sum(client.asked.total() for client in clients) < QUERIES:
                for name in MODELS:
                    (filled,) = operate("rebuild", read_model=name)["generations"]
                    assert filled["is_filled"]
                    there = operate("switch", read_model=name)
                    assert there["generation"] == filled["generation"] != there["before"]
                    back = operate("switch", read_model=name, generation=there["before"])
                    assert back["before"] == there["generation"]
                    operate("switch", read_model=name, generation=there["generation"])
                    operate("drop_generation", read_model=name, generation=there["before"])
                    switched += 3
        finally:
            is_over.set()
            for client in working:
                client.result()
    asked: Counter[str] = sum((client.asked for client in clients), Counter())
    with capsys.disabled():
        seconds = time.monotonic() - began
        print(f"\n{switched} switches, {asked.total()} queries in {seconds:.0f} s: {dict(asked)}")  # noqa: T201 - the figures
    assert asked["fresh"] > QUERIES / 2
    for name in MODELS:
        assert invoke(stack.record, "verify", {"read_model": name})["differing"] == 0


def test_verify_names_what_differs_by_its_exit_status_and_repair_brings_it_back(
    stack: RunningStack,
) -> None:
    def operate(*arguments: str) -> tuple[int, Any]:
        done = stack.run("operate", *arguments, "--set=read_model=order_details")
        return done.returncode, json.loads(done.stdout)

    placed = stack.place()
    order_id = placed.body["order_id"]
    assert stack.read(order_id, placed.token).status == 200
    with stack.read_database() as cursor:
        cursor.execute(
            "update order_details set document = '{}' where order_id = %(id)s", {"id": order_id}
        )
    status, told = operate("verify")
    assert (status, [each["where"] for each in told["read_models"][0]["differences"]]) == (
        3,
        [order_id],
    )
    assert operate("repair", "--audited", f"--set=order_id={order_id}")[0] == 0
    assert operate("verify")[0] == 0


def test_a_mistake_in_an_operation_is_told_in_one_line(stack: RunningStack) -> None:
    for arguments, message in (
        (["rebuild", "--audited"], "MODEL: name the read model to fill anew"),
        (
            ["verify", "--set=read_model=x"],
            "read_model: there is no 'x'; there are ",
        ),
        (["nothing"], "OPERATION: there is no 'nothing'; there are "),
        (["list_parked", "--request={"], "REQUEST is no JSON object: "),
        (["switch", "--set=read_model=order_details"], "who: is required"),
    ):
        done = stack.run("operate", *arguments)
        assert done.returncode == 1
        assert message in done.stderr.splitlines()[-1]
