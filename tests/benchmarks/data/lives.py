"""TPC-H's orders (tpchgen-cli), each led through a plausible life by its own dates and flags.

Quantities, prices, discounts, taxes, dates of shipping and receiving are TPC-H's. What it has not
(payments, holds, coupons, notes, cancellations) is drawn from a seeded generator, per order. Lives
end at ``NOW``, the day after the last order: what would be later has not happened yet.
"""

from __future__ import annotations

import random
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ordering.domain import events
from ordering.domain.evolution import record
from ordering.domain.parts import Coupon, Item, ReceivedItem, ReturnItem
from ordering.domain.pricing import price_line
from ordering.domain.values import Address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ordering.domain.order import Order
    from ordering.domain.recorded import Recorded

NOW: Final = datetime(1998, 8, 3, tzinfo=UTC)
"""TPC-H's last order is of 1998-08-02."""
ORDERS_OF_SCALE_1: Final = 1_500_000
_TABLES: Final = ("nation", "customer", "part", "orders", "lineitem")
# By nation key; in TPC-H's table they have names alone.
_COUNTRIES: Final = "DZ AR BR CA EG ET FR DE IN ID IR IQ JP JO KE MA MZ PE CN RO SA VN RU GB US"
_DOLLARS: Final = {"AR", "BR", "CA", "PE", "US"}
_WAREHOUSES: Final = ("north", "south", "harbour")


class Happened(NamedTuple):
    """One event of a life: what was recorded, when, by whom, and the order before and after it."""

    recorded: Recorded
    at: datetime
    actor: str
    before: Order | None
    now: Order


class Life(NamedTuple):
    """An order and all that happened to it; its id begins with the time of its placing."""

    order_id: str
    happened: list[Happened]


def generate_tables(scale: float, directory: Path) -> None:
    """Write TPC-H's tables to the directory.

    Raises:
        subprocess.CalledProcessError: tpchgen-cli failed; it has said why.
    """
    tool = Path(sys.executable).parent / "tpchgen-cli"
    subprocess.run(
        [
            tool,
            f"--scale-factor={scale}",
            f"--output-dir={directory}",
            f"--tables={','.join(_TABLES)}",
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )


class Lives:
    """The lives of the orders in TPC-H's tables."""

    def __init__(self, directory: Path, seed: int) -> None:
        self._directory = directory
        self._seed = seed
        countries = _COUNTRIES.split()
        self._nations = [(name, countries[int(key)]) for key, name, *_ in self._rows("nation")]
        self._customers = [
            (name, street, int(nation)) for _, name, street, nation, *_ in self._rows("customer")
        ]
        self._parts = [name for _, name, *_ in self._rows("part")]

    def _rows(self, table: str) -> Iterator[list[str]]:
        with (self._directory / f"{table}.tbl").open(encoding="ascii") as file:
            for line in file:
                yield line.rstrip("|\n").split("|")

    def of_share(self, share: int, shares: int) -> Iterator[Life]:
        """Yield the lives of every so-manieth order, in TPC-H's order."""
        lines = groupby(self._rows("lineitem"), key=lambda row: row[0])
        for number, (order, (key, its_lines)) in enumerate(
            zip(self._rows("orders"), lines, strict=True)
        ):
            if number % shares == share:
                if key != order[0]:
                    raise ValueError(f"the lines of order {order[0]} are not where they should be")
                yield self._life(order, [*its_lines])

    def _life(self, order: list[str], lines: list[list[str]]) -> Life:
        chance = random.Random(f"{self._seed} {order[0]}")
        name, street, nation = self._customers[int(order[1]) - 1]
        country_name, country = self._nations[nation]
        address = Address(
            name=name.replace("#", " "),
            street=street,
            city=f"{country_name.title()} {int(order[1]) % 40}",
            postal_code=f"{int(order[1]) % 90_000 + 10_000}",
            country=country,
        )
        currency = "USD" if country in _DOLLARS else "EUR"
        placed_at = _day(order[4]) + timedelta(microseconds=chance.randrange(86_400_000_000))
        random_bits = chance.getrandbits(62)
        milliseconds = int(placed_at.timestamp() * 1000)
        order_id = uuid.UUID(int=milliseconds << 80 | 0x7 << 76 | 0x2 << 62 | random_bits)
        placed = events.OrderPlaced(
            customer_id=f"C{int(order[1]):07}",
            currency=currency,
            lines=tuple(
                price_line(
                    line_id=int(line[3]),
                    sku=f"P{int(line[1]):06}",
                    name=self._parts[int(line[1]) - 1],
                    quantity=int(line[4]),
                    unit_price=Decimal(line[5]) / int(line[4]),
                    discount=Decimal(line[6]),
                    tax_rate=Decimal(line[7]),
                    currency=currency,
                )
                for line in lines
            ),
            shipping_fee=Decimal("9.90"),
            shipping_address=address,
            reference=f"PO-{int(order[0]):09}",
            placed_at=placed_at,
        )
        return Life(str(order_id), [*_Living(chance, placed, lines).lived(order[0])])


class _Living:
    """One life as it goes on: what is planned, by time, and the order as it is."""

    def __init__(
        self, chance: random.Random, placed: events.OrderPlaced, lines: list[list[str]]
    ) -> None:
        self._chance = chance
        self._placed = placed
        self._lines = lines
        self._order: Order | None = None
        self._is_cancelled = chance.random() < 0.02

    def lived(self, key: str) -> Iterator[Happened]:
        """Yield what happened until now, in the order of time."""
        plan = [*self._plan(key)]
        plan.sort(key=lambda step: step[0])
        at = self._placed.placed_at
        for planned, actor, fact_of in plan:
            at = max(planned, at + timedelta(seconds=1))
            if planned >= NOW or at >= NOW:
                return
            fact = fact_of(at)
            if fact is None:
                continue
            before = self._order
            (recorded,), now = record(before, [fact])
            self._order = now
            yield Happened(recorded, at, actor, before, now)

    def _plan(self, key: str) -> Iterator[tuple[datetime, str, Any]]:
        """Yield what is to happen: when, by whom, and what makes the fact when it is time."""
        chance, placed = self._chance, self._placed
        begin = placed.placed_at
        yield begin, "checkout", lambda _: placed
        if chance.random() < 0.1:
            coupon = Coupon(code="WELCOME10", percent_off=Decimal(10))
            yield _later(begin, 0.01), "checkout", lambda _: events.CouponApplied(coupon=coupon)
        confirmed = _later(begin, 0.02 + chance.random() / 10)
        yield confirmed, "checkout", lambda _: events.OrderConfirmed()
        yield _later(confirmed, 0.001), "checkout", self._authorize
        if chance.random() < 0.05:
            note = events.NoteAdded(text=f"Asked for by phone: {placed.reference}")
            yield _later(begin, chance.random() * 20), "desk", lambda _: note
        if self._is_cancelled:
            yield (
                _later(confirmed, 0.3),
                "desk",
                lambda _: events.PaymentDeclined(payment_id="p1", reason="cancelled"),
            )
            yield (
                _later(confirmed, 0.31),
                "desk",
                lambda _: events.OrderCancelled(reason="ordered by mistake"),
            )
            return
        if chance.random() < 0.01:
            yield _later(confirmed, 0.1), "desk", lambda _: events.OrderHeld(reason="to be checked")
            yield _later(confirmed, 0.6), "desk", lambda _: events.OrderReleased()
        warehouse = chance.choice(_WAREHOUSES)
        yield (
            _later(confirmed, 0.7),
            "warehouse",
            lambda _: events.FulfilmentStarted(warehouse=warehouse),
        )
        yield _later(confirmed, 0.9), "payments", self._capture
        arrived = begin
        for number, parcel in enumerate(self._parcels(), start=1):
            shipped = _later(max(_day(line[10]) for line in parcel), 0.5)
            arrives = _later(max(_day(line[12]) for line in parcel), 0.5 + chance.random() / 2)
            yield shipped, "warehouse", self._ship(key, number, parcel)
            yield arrives, "carrier", self._deliver(number)
            arrived = max(arrived, arrives)
        is_returned = any(line[8] == "R" for line in self._lines) and chance.random() < 0.1
        done = _later(arrived, 15 + chance.random() * 15)
        if is_returned:
            asked = _later(arrived, 1 + chance.random() * 10)
            yield asked, "customer", self._ask_return
            yield _later(asked, 1), "desk", lambda _: events.ReturnApproved(return_id="r1")
            received = _later(asked, 5 + chance.random() * 5)
            yield received, "warehouse", self._receive
            yield _later(received, 1), "payments", self._refund
            done = max(done, _later(received, 2))
        yield done, "desk", self._complete

    def _authorize(self, _: datetime) -> events.OrderEvent:
        return events.PaymentAuthorized(
            payment_id="p1", method="card", amount=self._now.totals.total
        )

    def _capture(self, _: datetime) -> events.OrderEvent:
        return events.PaymentCaptured(payment_id="p1", amount=self._now.balance.owed)

    def _parcels(self) -> list[list[list[str]]]:
        """Return the lines by parcel: those of the first month, and the rest."""
        by_date = sorted(self._lines, key=lambda line: line[10])
        first = _later(_day(by_date[0][10]), 30)
        early = [line for line in by_date if _day(line[10]) <= first]
        late = by_date[len(early) :]
        return [early, late] if late else [early]

    def _ship(self, key: str, number: int, parcel: list[list[str]]) -> Any:
        def fact(at: datetime) -> events.OrderEvent:
            items = sorted((int(line[3]), int(line[4])) for line in parcel)
            return events.ItemsShipped(
                shipment_id=f"s{number}",
                carrier=parcel[0][14],
                tracking_number=f"TRK{int(key):09}{number}",
                items=tuple(Item(line_id=line_id, quantity=units) for line_id, units in items),
                shipped_at=at,
            )

        return fact

    def _deliver(self, number: int) -> Any:
        return lambda at: events.ShipmentDelivered(shipment_id=f"s{number}", delivered_at=at)

    def _ask_return(self, at: datetime) -> events.OrderEvent:
        line = next(line for line in self._lines if line[8] == "R")
        units = max(1, int(line[4]) // 4)
        item = ReturnItem(line_id=int(line[3]), quantity=units, reason="not as described")
        return events.ReturnRequested(return_id="r1", items=(item,), requested_at=at)

    def _receive(self, _: datetime) -> events.OrderEvent:
        (asked,) = self._now.returns
        items = tuple(ReceivedItem(line_id=i.line_id, quantity=i.quantity) for i in asked.items)
        return events.ReturnReceived(return_id="r1", items=items)

    def _refund(self, _: datetime) -> events.OrderEvent | None:
        due = self._now.balance.due_back
        if not due:
            return None
        return events.PaymentRefunded(
            refund_id="f1", payment_id="p1", amount=due, reason="returned"
        )

    def _complete(self, _: datetime) -> events.OrderEvent | None:
        units = self._now.units
        is_done = units.to_ship == 0 and units.shipped == units.delivered
        return events.OrderCompleted() if is_done and not self._now.balance.due_back else None

    @property
    def _now(self) -> Order:
        if self._order is None:
            raise ValueError("it is not placed yet")
        return self._order


def _day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _later(at: datetime, days: float) -> datetime:
    return at + timedelta(days=days)
