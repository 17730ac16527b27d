"""The questions that are asked in comparisons, of every kind, for what the data set has."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg2

from tests.integration.requests import VARIABLES, request

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.benchmarks.sides import Side


class Sample(NamedTuple):
    """What of the data set questions can name: some of each, drawn by chance."""

    orders: list[str]
    customers: list[str]
    references: list[str]
    tracking_numbers: list[str]
    skus: list[str]
    names: list[str]
    months: list[str]
    """First days."""


_DRAWN: Final = 400
_DRAW: Final = """
select o.order_id::text, o.customer_id, o.reference, s.tracking_number, l.sku,
  (o.shipping_address).name, to_char(date_trunc('month', o.placed_at), 'YYYY-MM-DD')
from orders as o join order_lines as l using (order_id) join shipments as s using (order_id)
where l.line_id = 1 and s.number = 0
order by md5(o.order_id::text || %(seed)s) limit %(drawn)s
"""


def draw(unified: str, seed: int) -> Sample:
    """Draw a sample from the unified model."""
    connection = psycopg2.connect(unified)
    try:
        with connection.cursor() as cursor:
            cursor.execute(_DRAW, {"seed": str(seed), "drawn": _DRAWN})
            return Sample(*([*column] for column in zip(*cursor.fetchall(), strict=True)))
    finally:
        connection.close()


Fields = dict[str, str]


class Question(NamedTuple):
    """A kind of question: the function that answers it, and the fields of one such question."""

    stem: str
    fields: Callable[[Sample, random.Random], Fields]
    is_complex: bool = True
    """Whether it is about many orders; one that is not reads a single thing by its id."""


def _month(sample: Sample, chance: random.Random, months: int = 1) -> Fields:
    begin = chance.choice(sample.months)
    number = int(begin[:4]) * 12 + int(begin[5:7]) - 1 + months
    return {"from": begin, "to": f"{number // 12:04}-{number % 12 + 1:02}-01"}


def _instants(days: Fields) -> Fields:
    return {name: f"{day}T00:00:00Z" for name, day in days.items()}


KINDS: Final[dict[str, Question]] = {
    "an order": Question(
        "get_order", lambda s, c: {"order_id": c.choice(s.orders)}, is_complex=False
    ),
    "its history": Question(
        "get_order_history", lambda s, c: {"order_id": c.choice(s.orders)}, is_complex=False
    ),
    "a customer's orders": Question(
        "list_customer_orders", lambda s, c: {"customer_id": c.choice(s.customers)}
    ),
    "a customer's summary": Question(
        "get_customer_summary", lambda s, c: {"customer_id": c.choice(s.customers)}
    ),
    "customers by value": Question(
        "list_customers", lambda *_: {"order_by": "value", "currency": "EUR"}
    ),
    "customers by number of orders": Question("list_customers", lambda *_: {"order_by": "orders"}),
    "customers by last order": Question("list_customers", lambda *_: {}),
    "orders, newest first": Question("search_orders", lambda *_: {}),
    "orders of a status": Question(
        "search_orders",
        lambda _, c: {"status": c.choice(["part_delivered", "delivered", "cancelled"])},
    ),
    "orders of a month, largest first": Question(
        "search_orders",
        lambda s, c: _instants(_month(s, c)) | {"currency": "EUR", "min_total": "250000"},
    ),
    "orders by total": Question(
        "search_orders", lambda *_: {"order_by": "total", "currency": "USD"}
    ),
    "orders by reference": Question("search_orders", lambda s, c: {"q": c.choice(s.references)}),
    "orders by tracking number": Question(
        "search_orders", lambda s, c: {"q": c.choice(s.tracking_numbers)}
    ),
    "orders by a name": Question("search_orders", lambda s, c: {"q": c.choice(s.names)}),
    "orders by a word of products": Question(
        "search_orders", lambda _, c: {"q": c.choice(["almond", "lavender", "honeydew"])}
    ),
    "orders by SKU": Question("search_orders", lambda s, c: {"sku": c.choice(s.skus)}),
    "the work queue": Question("get_work_queue", lambda *_: {}),
    "orders of a stage": Question(
        "get_work_queue", lambda _, c: {"stage": c.choice(["to_ship", "to_deliver", "to_pay"])}
    ),
    "sales of a month": Question("get_sales_by_day", _month),
    "sales of a year": Question("get_sales_by_day", lambda s, c: _month(s, c, 12)),
    "sales of all days": Question("get_sales_by_day", lambda *_: {}),
    "top products of a month": Question("get_top_products", _month),
    "top products of a year": Question("get_top_products", lambda s, c: _month(s, c, 12)),
    "top products of all days": Question(
        "get_top_products", lambda *_: {"order_by": "revenue", "currency": "EUR"}
    ),
}


def event_of(question: Question, sample: Sample, chance: random.Random) -> dict[str, Any]:
    """Return API Gateway's event of one question of a kind."""
    return event_with(question.stem, question.fields(sample, chance))


def event_with(stem: str, fields: Fields) -> dict[str, Any]:
    """Return API Gateway's event of a question with these fields."""
    sent = dict(fields)
    path = {name: sent.pop(name) for name in VARIABLES[stem]}
    return request(path=path, query=sent)


class DifferentAnswersError(Exception):
    """The two sides do not answer a question alike: nothing may be timed."""


_PASSING: Final = {"age_seconds", "oldest_age_seconds"}
"""Members that say how old something is at the moment of the answer."""


def require_same_answers(sides: list[Side], sample: Sample, *, times: int, seed: int = 0) -> int:
    """Ask both sides questions of every kind, and compare the answers; return how many.

    Raises:
        DifferentAnswersError: two are not the same.
    """
    chance = random.Random(seed)
    compared = 0
    for kind, question in KINDS.items():
        for _ in range(times):
            fields = question.fields(sample, chance)
            for _ in range(3):  # pages
                answers = [
                    side.call(question.stem, event_with(question.stem, fields)) for side in sides
                ]
                bodies = [_without_ages(json.loads(answer["body"])) for answer in answers]
                codes = [answer["statusCode"] for answer in answers]
                if set(codes) != {200} or any(body != bodies[0] for body in bodies):
                    raise DifferentAnswersError(_difference(kind, fields, codes, bodies))
                compared += 1
                cursor = bodies[0].get("next_cursor")
                if cursor is None:
                    break
                fields = {**fields, "cursor": cursor}
    return compared


def _without_ages(body: Any) -> Any:
    if isinstance(body, dict):
        return {n: _without_ages(value) for n, value in body.items() if n not in _PASSING}
    return [_without_ages(each) for each in body] if isinstance(body, list) else body


def _difference(kind: str, fields: Fields, codes: list[int], bodies: list[Any]) -> str:
    first, second = (json.dumps(body, sort_keys=True) for body in bodies)
    at = next((n for n, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), 0)
    around = slice(max(0, at - 150), at + 150)
    return f"{kind} {fields}: {codes}\n{first[around]}\n{second[around]}"
