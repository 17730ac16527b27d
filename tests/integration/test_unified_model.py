"""The model that benchmarks compare with decides, stores and answers as both sides together do."""

from __future__ import annotations

import json
import random
import re
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from ordering.command_side import store as our_store
from ordering.read_side.log import EventLog
from ordering.read_side.shapes import ROWS, SHARE
from ordering.runtime.postgres import Database
from projectors import order_details, order_history, products, sales, work_queue
from tests.benchmarks import unified
from tests.benchmarks.sides import OURS, THEIRS, Side
from tests.benchmarks.unified import store as their_store
from tests.domain.life import live, random_order, random_steps
from tests.integration.requests import VARIABLES, body_of, query_request, request

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ordering.delivery.published import PublishedEvent
    from ordering.domain.order import Order
    from tests.databases import Databases
    from tests.domain.life import Ask, Step

LIVES = 12
STEPS_OF_A_LIFE = 60
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+(Z|\+00:00)")
_TASKS = "select stage from order_tasks where order_id = %(id)s"
_POSTED = """
select sum(orders), sum(items), sum(gross), sum(discounts), sum(tax), sum(shipping), sum(cancelled),
  sum(returned), sum(refunded)
from order_postings where order_id = %(id)s
"""
_POSTED_LINES = """
select sku, sum(sold), sum(cancelled), sum(returned), sum(revenue)
from line_postings where order_id = %(id)s group by sku
"""


def masked(document: Any) -> Any:
    """Return it without times, which are each side's own."""
    return json.loads(_INSTANT.sub("<time>", json.dumps(document)))


def without_times(value: Any) -> Any:
    """Return it without times, and with amounts that are equal whatever their digits."""
    if isinstance(value, dict):
        return {name: without_times(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [without_times(each) for each in value]
    return None if isinstance(value, datetime) else value


def fold(projector: Any, published: Sequence[PublishedEvent]) -> dict[str, Any]:
    document: Any = None
    for event in published:
        document = projector.fold(document, event)
    folded: dict[str, Any] = document
    return folded


class TwoLives:
    """One order, on both sides."""

    def __init__(self, ours: Side, theirs: Side, write: Database, owner: Database) -> None:
        self._sides = (ours, theirs)
        self._write, self._owner = write, owner
        self._ours = self._theirs = ""
        self.order: Order | None = None

    def run(self, first: Ask, steps: Sequence[Step]) -> None:
        self.send(first, "first")
        for number, step in enumerate(steps):
            assert self.order is not None
            self.send(step.next_request(self.order), str(number))
        self.compare_answers()

    def send(self, asked: Ask, key: str) -> None:
        answers = []
        for side, order_id in zip(self._sides, (self._ours, self._theirs), strict=True):
            fields = {"order_id": order_id, **asked.fields}
            path = {name: str(fields.pop(name)) for name in VARIABLES[asked.stem]}
            fields.pop("order_id", None)
            event = request(fields, path=path, idempotency_key=f"{id(self)}-{order_id}-{key}")
            first, again = (side.call(asked.stem, event) for _ in range(2))
            assert first["statusCode"] < 500, first
            if first["statusCode"] < 300:
                assert body_of(again) == body_of(first)
                assert again["headers"]["idempotency-replayed"] == "true"
            answers.append((first["statusCode"], body_of(first)))
        if not self._ours:
            self._ours, self._theirs = (answer["order_id"] for _, answer in answers)
        assert masked(answers[0]) == masked(
            json.loads(json.dumps(answers[1]).replace(self._theirs, self._ours))
        )
        self.compare_states()

    def compare_states(self) -> None:
        ours, _ = our_store.load(self._write, self._ours, "nobody", None, lambda: None)
        theirs, _ = their_store.load(self._owner, self._theirs, "nobody", None, lambda: None)
        assert ours.order is not None
        assert theirs.order is not None
        assert ours.version == theirs.version
        assert without_times(ours.order.model_dump()) == without_times(theirs.order.model_dump())
        self.order = ours.order

    def compare_answers(self) -> None:
        """Compare what is answered, and summed up, with what projectors make of the log."""
        published = [e.read() for e in EventLog(self._write).of([self._ours])[self._ours]]
        theirs = self._sides[1]
        asked = query_request("get_order", order_id=self._theirs)
        document = fold(order_details, published) | {"order_id": self._theirs}
        assert masked(body_of(theirs.call("get_order", asked))) == masked(document)
        fields = {"order_id": self._theirs, "limit": "100"}
        asked = query_request("get_order_history", **fields)
        items = [
            item
            for n in range(1, len(published) + 1)
            for item in fold(order_history, published[:n])[ROWS].values()
        ]
        found = body_of(theirs.call("get_order_history", asked))["items"]
        assert masked(found) == masked(items[:100])
        where = {"id": self._theirs}
        waits = fold(work_queue, published)["waits"]
        assert {stage for (stage,) in self._owner.rows(_TASKS, where)} == waits.keys()
        (posted,) = self._owner.rows(_POSTED, where)
        assert [number or 0 for number in posted] == summed(
            fold(sales, published)[SHARE],
            *("orders", "items", "gross", "discounts", "tax", "shipping"),
            *("cancelled", "returned", "refunded"),
        )
        share = [e for e in fold(products, published)[SHARE] if e["span"] == "day"]
        for sku, *numbers in self._owner.rows(_POSTED_LINES, where):
            of_sku = [entry for entry in share if entry["sku"] == sku]
            assert numbers == summed(of_sku, "sold", "cancelled", "returned", "revenue")


def summed(entries: Sequence[dict[str, Any]], *names: str) -> list[Any]:
    return [sum(Decimal(entry[name]) for entry in entries) for name in names]


@pytest.fixture(scope="module")
def place(databases: Databases) -> Iterator[str]:
    """Return how to connect to a unified model: a schema of its own in the read database."""
    with databases.borrowed():
        owner = databases.owner("read")
        owner.rows("create schema unified")
        owner.rows("set search_path = unified, public")
        owner.rows(unified.SCHEMA.read_text())
        yield (
            databases.conninfo("read", "ordering_owner") + " options='-csearch_path=unified,public'"
        )
        owner.rows("drop schema unified cascade")


@pytest.mark.parametrize("number", range(LIVES))
def test_commands_and_questions_are_answered_alike(
    databases: Databases, place: str, number: int
) -> None:
    chance = random.Random(number)
    write = databases.owner("write")
    owner = Database(place, "none", "test")
    ours = Side(OURS, databases.open("write", "ordering_command"), owner)
    theirs = Side(THEIRS, owner, owner)
    try:
        first = random_order(chance, most_lines=3)
        steps = random_steps(chance, STEPS_OF_A_LIFE)
        live(first, steps, lambda *life: TwoLives(ours, theirs, write, owner).run(*life))
    finally:
        owner.close()
