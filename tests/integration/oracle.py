"""What every query has to answer, worked out the slow and obvious way from the event log alone.

Nothing of the read side is used: an order is evolved event by event, and each answer is a loop over
all orders.
"""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ordering.domain.evolution import evolve
from ordering.domain.recorded import parse
from tests.integration.oracle_ledgers import Item, Ledgers, Step, instant, money, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import tzinfo

    from ordering.domain.order import Order
    from ordering.read_side.log import LoggedEvent


class Oracle(Ledgers):
    """The answers to every question about the orders of a log."""

    def __init__(self, log: Mapping[str, Sequence[LoggedEvent]], zone: tzinfo) -> None:
        steps: dict[str, list[Step]] = {}
        super().__init__(steps, zone)
        for order_id, events in log.items():
            order: Order | None = None
            of_order = steps[order_id] = []
            for event in events:
                fact = parse(event.event_type, event.schema_version, json.loads(event.data)).fact
                before, order = order, evolve(order, fact)
                of_order.append(Step(event.time, fact, before, order))
        self.orders = {order_id: steps[-1].order for order_id, steps in self.steps.items()}
        self.texts = {i: [plain(text) for text in self._texts(i)] for i in self.orders}

    # ── single orders ───────────────────────────────────────────────────────────────────────────
    def order(self, order_id: str) -> Item:
        """Return what of an order is compared."""
        order = self.orders[order_id]
        return {
            "version": len(self.steps[order_id]),
            "status": order.status,
            "totals": {n: money(a, order.currency) for n, a in vars(order.totals).items()},
            "balance": {n: money(a, order.currency) for n, a in vars(order.balance).items()},
            "units": dict(vars(order.units)),
            "lines": [
                [line.sku, line.ordered, line.cancelled, line.shipped, line.returned]
                for line in order.lines
            ],
        }

    def history(self, order_id: str) -> list[Item]:
        """Return what happened to an order."""
        return [
            {
                "version": number,
                "event": type(step.fact).__name__,
                "at": instant(step.time),
                "status": step.order.status,
            }
            for number, step in enumerate(self.steps[order_id], start=1)
        ]

    def list_item(self, order_id: str) -> Item:
        """Return an order in a list."""
        order, steps = self.orders[order_id], self.steps[order_id]
        return {
            "order_id": order_id,
            "customer_id": order.customer_id,
            "reference": order.reference,
            "placed_at": instant(order.placed_at),
            "currency": order.currency,
            "version": len(steps),
            "status": order.status,
            "updated_at": instant(steps[-1].time),
            "total": money(order.totals.total, order.currency),
            "line_count": len(order.lines),
            "item_count": order.units.kept,
        }

    # ── lists ───────────────────────────────────────────────────────────────────────────────────
    def customer_orders(self, asked: Mapping[str, str]) -> list[Item]:
        return [self.list_item(i) for i in self._sorted("placed_at") if self._fits(i, asked)]

    def search(self, asked: Mapping[str, str]) -> list[Item]:
        found = [
            i for i in self._sorted(asked.get("order_by", "placed_at")) if self._fits(i, asked)
        ]
        return [
            self.list_item(i)
            | {
                "shipping_name": self.orders[i].shipping_address.name,
                "shipping_city": self.orders[i].shipping_address.city,
            }
            for i in found
        ]

    def _sorted(self, order_by: str) -> list[str]:
        def key(order_id: str) -> tuple[Any, str]:
            order = self.orders[order_id]
            return (order.placed_at if order_by == "placed_at" else order.totals.total, order_id)

        return sorted(self.orders, key=key, reverse=True)

    def _fits(self, order_id: str, asked: Mapping[str, str]) -> bool:
        order = self.orders[order_id]
        tests: dict[str, Callable[[str], bool]] = {
            "customer_id": lambda value: order.customer_id == value,
            "status": lambda value: order.status == value,
            "currency": lambda value: order.currency == value,
            "sku": lambda value: any(line.sku == value for line in order.lines),
            "from": lambda value: order.placed_at >= datetime.fromisoformat(value),
            "to": lambda value: order.placed_at < datetime.fromisoformat(value),
            "min_total": lambda value: order.totals.total >= Decimal(value),
            "max_total": lambda value: order.totals.total <= Decimal(value),
            "q": lambda value: all(
                any(word in text for text in self.texts[order_id]) for word in plain(value).split()
            ),
        }
        return all(tests[name](value) for name, value in asked.items() if name in tests)

    def _texts(self, order_id: str) -> Iterator[str]:
        order = self.orders[order_id]
        yield from (order_id, order.customer_id, order.reference or "")
        for address in filter(None, (order.shipping_address, order.billing_address)):
            yield from (address.name, address.city)
        for line in order.lines:
            yield from (line.sku, line.name or "")
        yield from (shipment.tracking_number or "" for shipment in order.shipments)

    def customers(self, asked: Mapping[str, str]) -> list[Item]:
        sums: dict[tuple[str, str], list[tuple[Order, list[Step]]]] = defaultdict(list)
        for order_id, order in self.orders.items():
            if plain(asked.get("q", "")) in plain(order.customer_id):
                sums[order.customer_id, order.currency].append((order, self.steps[order_id]))
        order_by = asked.get("order_by", "last_order")
        found = []
        for (customer_id, currency), orders in sums.items():
            if asked.get("currency", currency) == currency:
                item = self._summary(currency, orders) | {"customer_id": customer_id}
                first = {
                    "value": Decimal(item["lifetime_value"]["amount"]),
                    "orders": item["orders"],
                    "last_order": item["last_order_at"],
                }[order_by]
                found.append(((first, customer_id, currency), item))
        return [item for _, item in sorted(found, key=lambda each: each[0], reverse=True)]

    @staticmethod
    def _summary(currency: str, orders: list[tuple[Order, list[Step]]]) -> Item:
        counted = [order for order, _ in orders if order.status != "cancelled"]
        value = sum((order.totals.total for order, _ in orders), Decimal(0))
        returns = [
            step
            for _, steps in orders
            for step in steps
            if type(step.fact).__name__ == "ReturnReceived"
        ]
        average = money(value / len(counted), currency) if counted else None
        return {
            "currency": currency,
            "orders": len(counted),
            "cancelled": len(orders) - len(counted),
            "lifetime_value": money(value, currency),
            "average": average,
            "returns": len(returns),
            "refunded": money(sum(order.balance.refunded for order, _ in orders), currency),
            "first_order_at": instant(min(order.placed_at for order, _ in orders)),
            "last_order_at": instant(max(order.placed_at for order, _ in orders)),
        }

    def customer_summary(self, customer_id: str) -> list[Item]:
        found = [i for i in self.customers({}) if i.pop("customer_id") == customer_id]
        return sorted(found, key=lambda item: str(item["currency"]))

    def work_queue(self, stage: str) -> list[Item]:
        """Return who waits in a stage; its definitions are written once more here."""
        waiting = []
        for order_id, steps in self.steps.items():
            since: datetime | None = None
            for step in steps:
                if not is_in(step.order, stage):
                    since = None
                elif since is None:
                    since = getattr(step.fact, "confirmed_at", None) or step.time
            if since is not None:
                waiting.append((since, order_id))
        return [
            {"order_id": order_id, "stage": stage, "since": instant(since)}
            for since, order_id in sorted(waiting)
        ]


def is_in(order: Order, stage: str) -> bool:
    """Return whether an order is in a stage of the work queue."""
    to_ship = sum(line.ordered - line.cancelled - line.shipped for line in order.lines)
    on_their_way = sum(line.shipped - line.delivered for line in order.lines)
    captured = sum(payment.captured - payment.refunded for payment in order.payments)
    return {
        "held": order.held and to_ship > 0,
        "to_pay": order.confirmed and order.totals.total > captured,
        "to_fulfil": order.confirmed
        and order.totals.total <= captured
        and to_ship > 0
        and not (order.held or order.in_fulfilment),
        "to_ship": order.in_fulfilment and not order.held and to_ship > 0,
        "to_deliver": on_their_way > 0,
        "to_return": any(each.state in {"requested", "approved"} for each in order.returns),
        "to_refund": captured > order.totals.total,
    }[stage]
