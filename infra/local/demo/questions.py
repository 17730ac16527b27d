"""What the operators' queries answer about Northwind's orders, beside its own tables."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from infra.local.demo.northwind import CURRENCY, reference_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from infra.local.demo.api_client import ApiClient
    from infra.local.demo.northwind import NorthwindDatabase

_PAGE: Final = 100
BEST: Final = 10
"""So many products and customers are compared."""


@dataclass(frozen=True)
class Month:
    """What was sold in a month."""

    orders: int = 0
    items: int = 0
    gross: Decimal = Decimal(0)
    shipping: Decimal = Decimal(0)


@dataclass
class Answers:
    """What the API answers, or what Northwind's own SQL does; equal if all is well.

    ``waiting`` has the stages of each order, and since which day it is in them.
    """

    months: dict[str, Month] = field(default_factory=dict)
    products: list[tuple[str, int, Decimal]] = field(default_factory=list)
    customers: list[tuple[str, int, Decimal]] = field(default_factory=list)
    waiting: dict[str, dict[str, date]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    """Of the products, by SKU: Northwind's."""

    def differences(self, wanted: Answers) -> list[str]:
        """Return what is not as wanted."""
        parts: dict[str, tuple[Mapping[Any, Any], Mapping[Any, Any]]] = {
            "sales of": (self.months, wanted.months),
            "best product number": (_numbered(self.products), _numbered(wanted.products)),
            "best customer number": (_numbered(self.customers), _numbered(wanted.customers)),
            "stages of": (self.waiting, wanted.waiting),
        }
        return [
            f"{what} {key}: {found.get(key)}, not {expected.get(key)}"
            for what, (found, expected) in parts.items()
            for key in sorted(found.keys() | expected.keys())
            if found.get(key) != expected.get(key)
        ]


def _numbered(rows: Sequence[object]) -> dict[int, object]:
    return dict(enumerate(rows, start=1))


def expected_answers(database: NorthwindDatabase) -> Answers:
    """Ask Northwind's own tables."""
    waiting = {
        reference_of(number): {stage: since}
        for number, stage, since in database.query("select * from expected_stages")
        if stage
    }
    products = database.query(f"select * from expected_products limit {BEST}")  # noqa: S608 - a number
    customers = database.query(f"select * from expected_best_customers limit {BEST}")  # noqa: S608 - likewise
    return Answers(
        months={
            month: Month(orders, int(items), gross, shipping)
            for month, orders, items, gross, shipping in database.query(
                "select * from expected_months"
            )
        },
        products=[(sku, int(quantity), revenue) for sku, _, quantity, revenue in products],
        customers=[(customer_id, orders, total) for customer_id, orders, total in customers],
        waiting=waiting,
        names={sku: name for sku, name, *_ in products},
    )


async def ask(client: ApiClient, months: Sequence[str], stages: set[str], max_age: int) -> Answers:
    """Ask the API, about these months, for answers that are at most so old.

    Raises ApiError.
    """
    begin, end = f"{min(months)}-01", f"{max(months)}-31"

    async def get(path: str, query: Mapping[str, Any]) -> dict[str, Any]:
        return (await client.get(path, max_age=max_age, **query)).body

    answers = Answers()
    of_range: dict[str, str | int] = {"from": begin, "to": end, "currency": CURRENCY}
    sums: dict[str, list[Any]] = defaultdict(lambda: [0, 0, Decimal(0), Decimal(0)])
    for day in (await get("/sales/daily", of_range))["items"]:
        numbers = (day["orders"], day["items"], _amount(day["gross"]), _amount(day["shipping"]))
        month = sums[day["day"][:7]]
        month[:] = [known + number for known, number in zip(month, numbers, strict=True)]
    answers.months = {month: Month(*numbers) for month, numbers in sums.items()}
    best = {**of_range, "order_by": "revenue", "limit": BEST}
    answers.products = [
        (item["sku"], item["quantity"], _amount(item["revenue"]))
        for item in (await get("/sales/products", best))["items"]
    ]
    best = {"currency": CURRENCY, "order_by": "value", "limit": BEST}
    answers.customers = [
        (item["customer_id"], item["orders"], _amount(item["lifetime_value"]))
        for item in (await get("/customers", best))["items"]
    ]
    for stage in sorted(stages):
        query: dict[str, str | int] = {"stage": stage, "limit": _PAGE}
        while True:
            page = await get("/work-queue", query)
            for item in page["items"]:
                if (item["reference"] or "").startswith("northwind-"):
                    since = datetime.fromisoformat(item["since"]).date()
                    answers.waiting.setdefault(item["reference"], {})[stage] = since
            if page["next_cursor"] is None:
                break
            query["cursor"] = page["next_cursor"]
    return answers


def _amount(money: Mapping[str, str]) -> Decimal:
    return Decimal(money["amount"])
