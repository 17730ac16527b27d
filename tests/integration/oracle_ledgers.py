"""What the ledgers of sales and products have to say, worked out event by event."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any, Final

from ordering.domain.values import CURRENCY_DIGITS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime, tzinfo

    from ordering.domain.events import OrderEvent
    from ordering.domain.order import Order

Item = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """One event: when it was recorded, what happened, and the order after it."""

    time: datetime
    fact: OrderEvent
    before: Order | None
    order: Order


class Ledgers:
    """The ledgers of all orders, whose steps are given by their ids."""

    def __init__(self, steps: Mapping[str, list[Step]], zone: tzinfo) -> None:
        self.steps = steps
        self.zone = zone

    def sales(self, asked: Mapping[str, str]) -> list[Item]:
        days: dict[tuple[str, str], dict[str, Any]] = defaultdict(lambda: defaultdict(Decimal))
        for day, step in self._ledger():
            totals, row = step.order.totals, days[day, step.order.currency]
            if type(step.fact).__name__ == "OrderConfirmed":
                added = {
                    "orders": 1,
                    "items": step.order.units.kept,
                    "gross": totals.lines,
                    "discounts": totals.discount,
                    "tax": totals.tax,
                    "shipping": totals.shipping,
                }
            else:
                assert step.before is not None
                came_back = type(step.fact).__name__ == "ReturnReceived"
                added = {
                    "returned" if came_back else "cancelled": step.before.totals.total
                    - totals.total,
                    "refunded": step.order.balance.refunded - step.before.balance.refunded,
                }
            for name, number in added.items():
                row[name] += number
        return [
            _day(day, currency, row)
            for (day, currency), row in sorted(days.items())
            if any(row.values()) and _in_range(day, currency, asked)
        ]

    def products(self, asked: Mapping[str, str]) -> list[Item]:
        sums: dict[tuple[str, str], list[Any]] = defaultdict(lambda: [0, 0, 0, Decimal(0)])
        for day, step in self._ledger():
            known = {line.line_id: line for line in step.before.lines} if step.before else {}
            is_sold = type(step.fact).__name__ == "OrderConfirmed"
            for line in step.order.lines:
                before, revenue = known[line.line_id], line.total - line.coupon_share
                cancelled, returned = line.cancelled, line.returned
                if is_sold:
                    added = [line.ordered - line.cancelled, 0, 0, revenue]
                else:
                    added = [
                        0,
                        cancelled - before.cancelled,
                        returned - before.returned,
                        revenue - (before.total - before.coupon_share),
                    ]
                if (is_sold or any(added)) and _in_range(day, step.order.currency, asked):
                    row = sums[line.sku, step.order.currency]
                    row[:] = [a + b for a, b in zip(row, added, strict=True)]
        items = [
            {
                "sku": sku,
                "currency": currency,
                "sold": sold,
                "cancelled": cancelled,
                "returned": returned,
                "quantity": sold - cancelled - returned,
                "revenue": money(revenue, currency),
            }
            for (sku, currency), (sold, cancelled, returned, revenue) in sums.items()
        ]
        by_revenue = asked.get("order_by") == "revenue"

        def key(item: Item) -> tuple[Decimal, str, str]:
            best = Decimal(item["revenue"]["amount"] if by_revenue else item["quantity"])
            return (-best, item["sku"], item["currency"])

        return sorted(items, key=key)[: int(asked["limit"])]

    def _ledger(self) -> Iterator[tuple[str, Step]]:
        """Go through the events of orders that are confirmed by then, each with its day."""
        for steps in self.steps.values():
            for step in steps:
                if step.order.confirmed:
                    at = getattr(step.fact, "confirmed_at", None) or step.time
                    yield at.astimezone(self.zone).date().isoformat(), step


_ENTRIES: Final = ("gross", "discounts", "tax", "shipping", "cancelled", "returned", "refunded")


def _day(day: str, currency: str, row: Mapping[str, Any]) -> Item:
    net = row["gross"] - row["discounts"] + row["tax"] + row["shipping"]
    return {
        "day": day,
        "currency": currency,
        "orders": int(row["orders"]),
        "items": int(row["items"]),
        **{name: money(row[name], currency) for name in _ENTRIES},
        "net": money(net - row["cancelled"] - row["returned"], currency),
    }


def _in_range(day: str, currency: str, asked: Mapping[str, str]) -> bool:
    is_in_time = asked.get("from", "") <= day < asked.get("to", "9999")
    return is_in_time and asked.get("currency", currency) == currency


def money(amount: Decimal | int, currency: str) -> Item:
    """Write an amount; half a unit is rounded up."""
    unit = Decimal(1).scaleb(-CURRENCY_DIGITS[currency])
    written = Decimal(amount).quantize(unit, rounding=ROUND_HALF_UP)
    return {"amount": str(written), "currency": currency}


def instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def plain(text: str) -> str:
    """Return a text without case and accents."""
    parts = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(part for part in parts if not unicodedata.combining(part))
