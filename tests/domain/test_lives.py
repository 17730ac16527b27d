"""Whatever is asked of an order, in whatever sequence: money, quantities, status and log agree."""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, get_args

import pytest
from pydantic import ValidationError

from ordering.delivery.published import PublishedEvent
from ordering.domain.errors import Forbidden, Refusal
from ordering.domain.evolution import evolve, record
from ordering.domain.order import Order
from ordering.domain.parts import RETURN_DAYS
from ordering.domain.recorded import Recorded, parse
from ordering.domain.values import Status, Value
from ordering.read_side.shapes import SHARE
from tests.documents import FOLDS, check_document
from tests.domain.largest_order import AT_A_LIMIT
from tests.domain.laws import check
from tests.domain.life import COMMANDS, Ask, Step, live, random_order, random_steps
from tests.domain.vocabulary import NOW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ordering.read_side.shapes import Document

STEPS = int(os.environ.get("STEPS", "200000"))
FIRST_SEED = int(os.environ.get("SEED", "1"))
SEEDS = range(FIRST_SEED, FIRST_SEED + 4)
STEPS_OF_A_LIFE = 100
CANCEL_EVERY = 5
"""Of so many orders one may be cancelled as a whole: a cancelled order has not much of a life."""
LOOK_CLOSELY_EVERY = 20
SALES_AMOUNTS = ("gross", "discounts", "tax", "shipping", "cancelled", "returned", "refunded")
AN_HOUR = timedelta(hours=1)
PAUSES = {
    (7, 7): timedelta(days=10),
    (6, 6): timedelta(days=RETURN_DAYS),
    (5, 5): timedelta(days=31),
}
"""How long it takes until the next step, if it is not an hour: returns come late now and then."""

accepted: Counter[str] = Counter()
refused: Counter[str] = Counter()
invalid: Counter[str] = Counter()
repeated: Counter[str] = Counter()
codes: Counter[str] = Counter()
visited: Counter[str] = Counter()


class Life:
    """One order, from its placing on."""

    def __init__(self, first: Ask, *, may_cancel: bool) -> None:
        self.order: Order | None = None
        self.log: list[Recorded] = []
        self.documents: dict[str, Document | None] = dict.fromkeys(FOLDS)
        self.at = NOW
        self.steps = 0
        self.may_cancel = may_cancel
        self.send(first)

    def step(self, step: Step) -> None:
        assert self.order is not None
        choice = step.choice
        self.at += PAUSES.get((choice.which, choice.much), AN_HOUR)
        self.send(step.next_request(self.order, may_cancel=self.may_cancel))

    def send(self, asked: Ask) -> None:
        self.steps += 1
        module = COMMANDS[asked.stem]
        try:
            command = module.handler.command.model_validate(asked.fields)
        except ValidationError:
            invalid[asked.stem] += 1
            return
        before = self.order
        stored = before and before.model_dump_json()
        answer = module.decide(before, command, self.at)
        if isinstance(answer, Refusal):
            refused[asked.stem] += 1
            codes[answer.code] += 1
        elif answer == []:
            repeated[asked.stem] += 1
        else:
            accepted[asked.stem] += 1
            self.happen(*record(before, answer))
        # It is the log that changes an order: asking does not, and asked again has the same answer.
        assert (before and before.model_dump_json()) == stored
        assert module.decide(before, command, self.at) == answer

    def happen(self, events: list[Recorded], now: Order) -> None:
        for event in events:
            self.log.append(event)
            event_of_log = published(event, len(self.log), self.at)
            self.documents = {
                name: fold(self.documents[name], event_of_log) for name, fold in FOLDS.items()
            }
        self.order = now
        visited[now.status] += 1
        check(now)
        if self.steps % LOOK_CLOSELY_EVERY == 0:
            self.look_closely()

    def look_closely(self) -> None:
        """Compare with what is stored, with what the log says, and with what readers see."""
        order = self.order
        assert order is not None
        stored = order.model_dump_json(exclude_defaults=True)
        assert Order.model_validate_json(stored) == order
        folded: Order | None = None
        for number, event in enumerate(self.log):
            version = event.fact.schema_version
            read = parse(type(event.fact).__name__, version, json.loads(event.data()))
            assert read == event, number
            folded = evolve(folded, read.fact)
        assert folded == order
        details, listed = self.documents["order_details"], self.documents["customer_orders"]
        assert details is not None
        assert listed is not None
        assert details["version"] == listed["version"] == len(self.log)
        assert details["status"] == listed["status"] == order.status
        amounts = {name: format(amount, "f") for name, amount in order.totals}
        assert {name: money["amount"] for name, money in details["totals"].items()} == amounts
        assert listed["total"]["amount"] == amounts["total"]
        balance = {name: format(amount, "f") for name, amount in order.balance}
        assert {name: money["amount"] for name, money in details["balance"].items()} == balance
        assert details["units"] == order.units.model_dump()
        assert (listed["line_count"], listed["item_count"]) == (
            len(order.lines),
            order.units.kept,
        )
        for kind in ("lines", "payments", "shipments", "returns", "refunds"):
            parts: tuple[Value, ...] = getattr(order, kind)
            assert details[kind] == [_as_read(part, order.currency) for part in parts]
        assert details["coupon"] == (order.coupon and order.coupon.model_dump(mode="json"))
        assert details["shipping_address"] == order.shipping_address.model_dump()
        for fact, time in (("confirmed", "confirmed_at"), ("completed", "completed_at")):
            assert getattr(order, fact) == (details[time] is not None)
        for fact, told in (("held", "held"), ("in_fulfilment", "fulfilment")):
            assert getattr(order, fact) == (details[told] is not None)

        self.look_at_the_ledger(order)

    def look_at_the_ledger(self, order: Order) -> None:
        """All days together say what the order costs by now, once it is confirmed."""
        document = self.documents["sales"]
        assert document is not None
        net = refunded = Decimal(0)
        for day in document[SHARE]:
            entry = {name: Decimal(day[name]) for name in SALES_AMOUNTS}
            net += entry["gross"] - entry["discounts"] + entry["tax"] + entry["shipping"]
            net -= entry["cancelled"] + entry["returned"]
            refunded += entry["refunded"]
            assert min(entry.values()) >= 0
        assert net == (order.totals.total if order.confirmed else 0)
        assert refunded == order.balance.refunded
        assert sum(day["orders"] for day in document[SHARE]) == order.confirmed

    def end(self) -> None:
        self.look_closely()
        for name, document in self.documents.items():
            check_document(name, document)


FRACTIONS = {"discount", "tax_rate"}


def _as_read(part: Value, currency: str) -> Document:
    """Write a part as the HTTP contract says: amounts with their currency, times in UTC."""
    written = part.model_dump(mode="json")
    for name, value in part:
        if isinstance(value, Decimal) and name not in FRACTIONS:
            written[name] = {"amount": format(value, "f"), "currency": currency}
        elif isinstance(value, datetime):
            written[name] = value.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return written


def published(event: Recorded, version: int, at: datetime) -> PublishedEvent:
    return PublishedEvent("an-order", version, at, "operator", "c", "t", event.fact, event.after)


def run(first: Ask, steps: Sequence[Step], *, may_cancel: bool) -> None:
    life = Life(first, may_cancel=may_cancel)
    for step in steps:
        life.step(step)
    life.end()


@pytest.mark.parametrize("number", SEEDS)
def test_money_quantities_status_and_log_agree_in_every_life(number: int) -> None:
    chance = random.Random(number)  # noqa: S311 - the same lives each time
    for _ in range(STEPS // len(SEEDS) // STEPS_OF_A_LIFE):
        may_cancel = chance.randrange(CANCEL_EVERY) == 0
        first = random_order(chance, most_lines=4)
        live(first, random_steps(chance, STEPS_OF_A_LIFE), partial(run, may_cancel=may_cancel))


def test_these_lives_saw_all_that_there_is_to_see(capsys: pytest.CaptureFixture[str]) -> None:
    tallies = (accepted, repeated, refused, invalid)
    steps = sum(map(Counter.total, tallies))
    lines = [f"{steps} steps, by command: accepted, repeated, refused, invalid"]
    lines += [f"  {stem:24}" + "".join(f"{t[stem]:8}" for t in tallies) for stem in COMMANDS]
    lines += [f"  {status:24}{visited[status]:8} times" for status in get_args(Status)]
    with capsys.disabled():
        print("", *lines, sep="\n")  # noqa: T201 - nobody has to believe that so many were made
    assert steps >= STEPS
    assert set(accepted) == set(COMMANDS)
    assert set(visited) == set(get_args(Status))
    # An order at its limits, and one of which rounding makes a cent owed, have tests of their own.
    assert set(codes) | AT_A_LIMIT | {"payment-due"} >= {
        refusal.code
        for module in COMMANDS.values()
        for refusal in vars(module).values()
        # Who may ask at all is decided before the order is looked at.
        if isinstance(refusal, Refusal) and not isinstance(refusal, Forbidden)
    }
