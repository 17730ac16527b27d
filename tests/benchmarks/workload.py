"""The workload of comparisons: a shop's day, with seeded arrivals that do not wait for answers.

One arrival is one request. Their times are a Poisson process at the rate asked for, drawn from the
seed alone, so that both sides get the same requests at the same times. Latency counts from the
intended time: what waits for a free worker has waited.

Customers and products are asked for by Zipf's law; orders that are read are of the data set.
"""

from __future__ import annotations

import itertools
import json
import random
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tests.integration.requests import VARIABLES, request
from tests.shared import an_order

from .asked import KINDS, event_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .asked import Sample

COMMANDS: Final = "commands"
MIX: Final[dict[str, float]] = {
    COMMANDS: 10,
    "an order": 30,
    "its history": 5,
    "a customer's orders": 15,
    "a customer's summary": 5,
    "orders, newest first": 6,
    "orders of a status": 4,
    "orders by reference": 4,
    "orders by a name": 3,
    "orders by tracking number": 2,
    "orders by SKU": 2,
    "the work queue": 4,
    "orders of a stage": 3,
    "sales of a month": 2,
    "top products of a month": 2,
    "sales of a year": 1,
    "top products of a year": 1,
    "customers by value": 0.5,
    "customers by last order": 0.5,
}
"""Of a hundred requests so many are of each kind: nine questions to a command. What an analyst
would ask (all days, every product) is not in it."""
_ZIPF: Final = 1.1
"""The exponent; with it the first of 10,000 customers has a tenth of all requests."""


class Arrival(NamedTuple):
    """A request that is to come: when, in seconds from the beginning, and of which kind."""

    at: float
    kind: str
    number: int


def arrivals(rate: float, seconds: float, seed: int) -> list[Arrival]:
    """Draw the arrivals of so many seconds at this rate, per second."""
    chance = random.Random(f"arrivals {seed}")
    kinds, weights = [*MIX], [*MIX.values()]
    drawn: list[Arrival] = []
    while (at := (drawn[-1].at if drawn else 0.0) + chance.expovariate(rate)) < seconds:
        drawn.append(Arrival(at, chance.choices(kinds, weights)[0], len(drawn)))
    return drawn


class _Zipf:
    """Draws from a list, the first most often."""

    def __init__(self, values: Sequence[str]) -> None:
        self._values = values
        weights = (1 / (rank + 1) ** _ZIPF for rank in range(len(values)))
        self._cumulated = [*itertools.accumulate(weights)]

    def draw(self, chance: random.Random) -> str:
        return chance.choices(self._values, cum_weights=self._cumulated)[0]


class OpenOrder:
    """An order that a worker has placed, and the commands that are still to come."""

    def __init__(self, order_id: str, units: Sequence[int], total: Decimal) -> None:
        self.order_id = order_id
        amount = {"amount": f"{total:.2f}", "currency": "EUR"}
        items = [{"line_id": number, "quantity": count} for number, count in enumerate(units, 1)]
        self._left: list[tuple[str, dict[str, str], object]] = [
            ("confirm_order", {}, None),
            ("authorize_payment", {}, {"payment_id": "p1", "method": "card", "amount": amount}),
            ("capture_payment", {"payment_id": "p1"}, None),
            ("start_fulfilment", {}, {"warehouse": "north"}),
            ("ship_items", {}, {"shipment_id": "s1", "carrier": "DHL", "items": items}),
            ("deliver_shipment", {"shipment_id": "s1"}, None),
            ("complete_order", {}, None),
        ]

    def next_command(self) -> tuple[str, dict[str, Any]] | None:
        """Return the next command's function and event; None: its life is over."""
        if not self._left:
            return None
        stem, path, body = self._left.pop(0)
        key = f"{self.order_id}-{stem}"
        event = request(body, path={"order_id": self.order_id, **path}, idempotency_key=key)
        return stem, event


class Requests:
    """What one worker sends: the requests of its arrivals, one at a time."""

    def __init__(self, sample: Sample, seed: int, worker: int) -> None:
        self._sample = sample
        self._seed = seed
        self._customers = _Zipf(sorted({*sample.customers}))
        self._skus = _Zipf(sorted({*sample.skus}))
        self._worker = worker
        self._open: list[OpenOrder] = []

    def of(self, arrival: Arrival) -> tuple[str, dict[str, Any]]:
        """Return the function and the event of an arrival."""
        chance = random.Random(f"{self._seed} {arrival.number}")
        if arrival.kind != COMMANDS:
            question = KINDS[arrival.kind]
            if "customer_id" in VARIABLES[question.stem]:
                path = {"customer_id": self._customers.draw(chance)}
                return question.stem, request(path=path)
            return question.stem, event_of(question, self._sample, chance)
        if self._open and chance.random() < 7 / 8:  # an order's life has eight commands
            order = chance.choice(self._open)
            if (following := order.next_command()) is not None:
                return following
            self._open.remove(order)
        return self.place(chance)

    def placed(self, answer: dict[str, Any], event: dict[str, Any]) -> None:
        """Remember the order that was placed, to lead it on."""
        lines = json.loads(event["body"])["lines"]
        order_id = json.loads(answer["body"])["order_id"]
        units = [line["quantity"] for line in lines]
        total = sum(line["quantity"] * Decimal(line["unit_price"]["amount"]) for line in lines)
        self._open.append(OpenOrder(order_id, units, Decimal(total)))

    def next_of_the_first(self) -> tuple[str, dict[str, Any]] | None:
        """Return the next command of the first order that was placed; None: its life is over."""
        return self._open[0].next_command()

    def place(self, chance: random.Random) -> tuple[str, dict[str, Any]]:
        """Return the placing of an order."""
        lines = [
            {
                "sku": self._skus.draw(chance),
                "name": "lavender almond",
                "quantity": chance.randint(1, 9),
                "unit_price": {
                    "amount": f"{chance.randint(100, 99999) / 100:.2f}",
                    "currency": "EUR",
                },
            }
            for _ in range(chance.randint(1, 7))
        ]
        body = an_order(customer_id=self._customers.draw(chance), lines=lines)
        key = str(uuid.UUID(int=chance.getrandbits(128)))
        return "place_order", request(body, idempotency_key=f"{self._worker}-{key}")
