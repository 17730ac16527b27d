"""Every query answers what the log says, whatever happened and whatever is asked."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from infra.contracts.functions import files_of
from ordering.domain.stages import STAGES, StageDefinition
from ordering.read_side import searching
from ordering.read_side.log import LoggedEvent
from ordering.read_side.query import READ_MODELS
from projectors import products, sales
from tests.databases import empty_read_side
from tests.integration.oracle import Oracle
from tests.integration.read_side_world import World
from tests.integration.requests import VARIABLES, body_of, request
from tests.recorded_lives import recorded_life

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ordering.runtime.postgres import Database
    from tests.databases import Databases
    from tests.recorded_lives import LoggedFact

ANSWERS: Final = 2_000
"""So many are compared at least."""
ZONES: Final = (
    "UTC",
    "Europe/Berlin",
    "America/St_Johns",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "America/New_York",
)
ORDERS: Final = 50
# Around the days that a change of summer time makes 23 and 25 hours long.
SEASONS: Final = (datetime(2026, 3, 27, tzinfo=UTC), datetime(2026, 10, 23, tzinfo=UTC))
NAMES: Final = (
    "Maria Anders",
    "José Núñez",
    "Straße & Söhne",
    "東京商店",
    "Box 📦 100%",
    "O'Neill",
)
CITIES: Final = ("Berlin", "Sa\u0303o Paulo", "SÃO PAULO", "C:\\temp_x", "Łódź")
CUSTOMERS: Final = ("ALFKI", "ANATR", "ANTON", "anton/2", "BERGS +")
WORDS: Final = (
    "anders",
    "NUNEZ",
    "sao",
    "são paulo",
    "strasse",
    "東京",
    "📦 box",
    "100%",
    "o'nei",
    "C:\\temp_x",
    "temp%x",
    "Ref-1",
    "ref_1",
    "sku-3",
    "anton",
    "track",
    "nowhere",
    "łódź",
)
QUERIES: Final = {file.stem: file.handler for file in files_of("queries")}
compared: Counter[str] = Counter()


@cache
def long_lives() -> list[list[LoggedFact]]:
    """Return lives of which many come to a return, and some are cancelled."""
    chance = random.Random(7)  # noqa: S311 - the same lives each time
    return [
        recorded_life(chance, events=chance.randint(5, 60), may_cancel=n % 5 == 0)
        for n in range(120)
    ]


class Shop(World):
    """Orders of several customers, places and days, of whose prices a few are the same."""

    def __init__(self, databases: Databases, seed: int) -> None:
        super().__init__(databases)
        self._chance = random.Random(seed)  # noqa: S311 - the same each time

    def lives(self) -> list[list[LoggedFact]]:
        return long_lives()

    def _log(self, order_id: str, fact: LoggedFact) -> LoggedEvent:
        chance, events = self._chance, self.history.setdefault(order_id, [])
        at = events[-1].time if events else chance.choice(SEASONS) + timedelta(hours=6)
        at += timedelta(minutes=chance.choice([0, 1, 30, 60, 90, 600, 1440]))
        data = json.loads(re.sub(r"sku-(\d+)", lambda m: f"sku-{int(m[1]) % 5}", fact.data))
        if fact.event_type == "OrderPlaced":
            data |= {"reference": chance.choice([None, f"Ref-{chance.randrange(30)}"])}
            data["customer_id"] = data["after"]["customer_id"] = chance.choice(CUSTOMERS)
            data["placed_at"] = (at - timedelta(hours=chance.choice([0, 6, 6]))).isoformat()
            address = {"name": chance.choice(NAMES), "city": chance.choice(CITIES)}
            data["shipping_address"] |= address
        if fact.event_type == "OrderConfirmed" and chance.random() < 0.3:
            data["confirmed_at"] = (at - timedelta(minutes=chance.randrange(900))).isoformat()
        event = LoggedEvent(
            order_id,
            len(events) + 1,
            fact.event_type,
            fact.schema_version,
            json.dumps(data),
            {"actor": "operator", "correlation_id": "c", "traceparent": "t"},
            at,
        )
        events.append(event)
        return event


@pytest.fixture(scope="module", params=ZONES)
def shop(request: pytest.FixtureRequest, databases: Databases) -> Iterator[tuple[Oracle, Database]]:
    """Return what has to be answered, and a query's connection."""
    zone = ZoneInfo(request.param)
    with databases.borrowed(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sales, "_ZONE", zone)
        patch.setattr(products, "_ZONE", zone)
        world = Shop(databases, ZONES.index(request.param))
        world.record(ORDERS, ZONES.index(request.param))
        for name in READ_MODELS:
            world.deliver_all(name)
        if ZONES.index(request.param) % 2:
            # So few that lists are walked, and pages end before they are full.
            patch.setattr(searching, "GLANCED_AT", 3)
            patch.setattr(searching, "MOST_HITS", 7)
            patch.setattr(searching, "MOST_WALKED", 9)
        queries = databases.open("read", "ordering_query")
        yield Oracle(world.history, zone), queries
        empty_read_side(world.read)


@pytest.fixture(scope="module", autouse=True)
def _report(request: pytest.FixtureRequest) -> object:
    yield
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print(f"\n{compared.total():,} answers compared: {dict(sorted(compared.items()))}")  # noqa: T201 - the counts


def ask(queries: Database, stem: str, **fields: str) -> Any:  # noqa: ANN401 - any answer's body
    path = {name: fields.pop(name) for name in VARIABLES[stem]}
    answer = QUERIES[stem].using(queries)(request(path=path, query=fields), None)
    assert answer["statusCode"] == 200, (stem, fields, answer["body"])
    compared[stem] += 1
    return body_of(answer)


def pages(queries: Database, stem: str, **fields: str) -> list[dict[str, Any]]:
    """Read a whole list, page by page."""
    items: list[dict[str, Any]] = []
    while True:
        page = ask(queries, stem, **fields)
        assert len(page["items"]) <= int(fields["limit"])
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        is_short = len(page["items"]) < int(fields["limit"])
        assert not is_short or stem in {"search_orders", "list_customers"}
        compared["short pages"] += is_short
        fields["cursor"] = page["next_cursor"]


def optional(**fields: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, str]]:
    return st.fixed_dictionaries({}, optional=fields)


DAYS: Final = st.dates(min_value=date(2026, 2, 20), max_value=date(2026, 12, 2)) | st.builds(
    lambda begin, days: (begin + timedelta(days=days)).date(),
    st.sampled_from(SEASONS),
    st.integers(0, 9),
)
RANGES: Final = optional(
    **{"from": DAYS.map(str), "to": DAYS.map(str)}, currency=st.sampled_from(["EUR", "JPY", "KWD"])
)
_HOURS: Final = ("00:00:00Z", "06:00:00Z", "11:30:00+05:30", "12:00:00Z")
# At the begin of the seasons many orders are placed at the same moment.
TIMES: Final = st.builds(
    lambda day, hour: f"{day}T{hour}",
    DAYS | st.sampled_from([season.date() for season in SEASONS]),
    st.sampled_from(_HOURS),
)
STATUSES: Final = st.sampled_from(
    ["placed", "confirmed", "paid", "held", "completed", "refund_due", "cancelled", "shipped"]
)
LIMITS: Final = st.integers(1, 100).map(str) | st.sampled_from(["1", "7", "100"])
AMOUNTS: Final = st.integers(0, 500_000).map(str)
SEARCHES: Final = optional(
    q=st.sampled_from(WORDS),
    status=STATUSES,
    customer_id=st.sampled_from(CUSTOMERS),
    sku=st.sampled_from(["sku-0", "sku-3", "sku-9"]),
    min_total=AMOUNTS,
    max_total=AMOUNTS,
    currency=st.sampled_from(["EUR", "JPY", "KWD"]),
    order_by=st.sampled_from(["placed_at", "total"]),
    **{"from": TIMES, "to": TIMES},
)
LISTED: Final = optional(status=STATUSES, **{"from": TIMES, "to": TIMES})
CUSTOMER_LISTS: Final = optional(
    q=st.sampled_from(["ant", "ALF", "ergs"]),
    currency=st.sampled_from(["EUR", "JPY", "KWD"]),
    order_by=st.sampled_from(["orders", "last_order", "value"]),
)


def in_order(fields: dict[str, str]) -> dict[str, str]:
    """Turn reversed ranges round, and name a currency where amounts are compared."""
    for low, high in (("from", "to"), ("min_total", "max_total")):
        if low in fields and high in fields:
            key = int if low == "min_total" else datetime.fromisoformat
            fields[low], fields[high] = sorted((fields[low], fields[high]), key=key)
    compares = {"min_total", "max_total"} & fields.keys()
    if compares or fields.get("order_by") in {"total", "value", "revenue"}:
        fields.setdefault("currency", "EUR")
    return fields


@settings(
    max_examples=18,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
    phases=[Phase.generate, Phase.shrink],
    derandomize=True,
)
@given(
    search=SEARCHES,
    listed=LISTED,
    customers=CUSTOMER_LISTS,
    days=RANGES,
    limit=LIMITS,
    number=st.integers(0, 10**6),
    by_revenue=st.booleans(),
    stage=st.sampled_from(STAGES),
)
def test_every_answer_is_what_the_log_says(
    *,
    shop: tuple[Oracle, Database],
    search: dict[str, str],
    listed: dict[str, str],
    customers: dict[str, str],
    days: dict[str, str],
    limit: str,
    number: int,
    stage: StageDefinition,
    by_revenue: bool,
) -> None:
    oracle, queries = shop
    order_id = sorted(oracle.orders)[number % len(oracle.orders)]
    customer_id = CUSTOMERS[number % len(CUSTOMERS)]
    search, listed, customers, days = map(in_order, (search, listed, customers, days))

    assert pages(queries, "search_orders", limit=limit, **search) == oracle.search(search)
    theirs = listed | {"customer_id": customer_id}
    found = pages(queries, "list_customer_orders", limit=limit, **theirs)
    assert found == oracle.customer_orders(theirs)
    found = pages(queries, "list_customers", limit=limit, **customers)
    assert found == oracle.customers(customers)
    summary = ask(queries, "get_customer_summary", customer_id=customer_id)
    assert summary["currencies"] == oracle.customer_summary(customer_id)
    assert ask(queries, "get_sales_by_day", **days)["items"] == oracle.sales(days)
    best = in_order(days | {"order_by": "revenue" if by_revenue else "quantity", "limit": limit})
    assert ask(queries, "get_top_products", **best)["items"] == oracle.products(best)

    queue = pages(queries, "get_work_queue", stage=stage.stage, limit=limit)
    names = ("order_id", "stage", "since")
    assert [{n: item[n] for n in names} for item in queue] == oracle.work_queue(stage.stage)
    counts = {each["stage"]: each["waiting"] for each in ask(queries, "get_work_queue")["stages"]}
    assert counts[stage.stage] == len(queue)

    history = pages(queries, "get_order_history", order_id=order_id, limit=limit)
    told = ("version", "event", "at", "status")
    assert [{n: item[n] for n in told} for item in history] == oracle.history(order_id)
    details = ask(queries, "get_order", order_id=order_id)
    expected = oracle.order(order_id)
    counted = ("sku", "ordered", "cancelled", "shipped", "returned")
    details["lines"] = [[line[name] for name in counted] for line in details["lines"]]
    assert {name: details[name] for name in expected} == expected


def test_so_many_answers_were_compared() -> None:
    assert compared.total() >= ANSWERS
