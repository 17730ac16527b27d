"""Rows and freshness of an answer come from one look, whatever arrives while a caller waits."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from ordering.read_side.freshness import rfc3339
from ordering.runtime.consistency import token
from ordering.runtime.postgres import DatabaseUnavailableError
from tests.databases import empty_read_side
from tests.domain.vocabulary import RETURN_RECEIVED, an_order_was_placed, it_was_confirmed
from tests.integration.projections import (
    ago,
    apply,
    batch,
    new_order,
    record_of,
    records_of,
    watermark,
)
from tests.integration.requests import body_of, customer, request
from tests.integration.waiting_queries import QUERIES, HookedDatabase, ask

if TYPE_CHECKING:
    from types import SimpleNamespace

    from ordering.runtime.postgres import Database
    from tests.databases import Databases

LONGEST_WAIT = 20
pytestmark = pytest.mark.usefixtures("clock")


@pytest.mark.parametrize("stem", QUERIES)
def test_whenever_an_order_arrives_the_answer_is_as_fresh_as_it_says(
    projector: Database, queries: Database, databases: Databases, stem: str
) -> None:
    """All but an order's last version arrives before each statement in turn; then the wait ends."""
    outcomes = set()
    arrived = len(RETURN_RECEIVED)
    for arrival in itertools.count(1):
        empty_read_side(databases.owner("read"))
        order_id, as_of = new_order(), ago(1)
        arriving = batch({0: [*records_of(order_id, RETURN_RECEIVED), watermark(as_of)]})

        def arrive(
            statement: int, arrival: int = arrival, arriving: dict[str, Any] = arriving
        ) -> None:
            if statement == arrival:
                apply(projector, arriving)

        database = HookedDatabase(queries, arrive)
        answer = ask(
            stem,
            database,
            order_id,
            consistency_token=token(order_id, arrived + 1),
            prefer="wait=1",
        )
        # The last statement gives up the place to wait, when the answer has been read.
        has_arrived = database.statements - 1 >= arrival
        outcomes.add((has_arrived, answer["statusCode"]))
        headers = answer["headers"]
        if not has_arrived:
            assert body_of(answer)["code"] == "read-model-behind"
            break
        assert headers["read-model-as-of"] == rfc3339(as_of)
        assert headers["read-model-stale"] == "?1"
        body = body_of(answer)
        # An answer is an order, or a list in whose items something of it is.
        items = [body] if "version" in body else next(v for v in body.values() if type(v) is list)
        assert items
        for item in items:
            assert item.get("order_id", order_id) == order_id
            assert item.get("as_of", rfc3339(as_of)) == rfc3339(as_of)
        versions = [item["version"] for item in items if "version" in item]
        assert max(versions, default=arrived) == arrived
    assert outcomes == {(True, 200), (False, 503)}
    assert arrival > 10, "the order should have arrived between the first look and the last"


@pytest.mark.parametrize("stem", QUERIES)
def test_a_wait_ends_with_a_look_that_finds_it_reached(
    projector: Database, queries: Database, clock: SimpleNamespace, stem: str
) -> None:
    order_id = new_order()

    def arrive(statement: int) -> None:
        if statement == 6:
            apply(projector, batch({0: [record_of(order_id, 1, an_order_was_placed())]}))

    database = HookedDatabase(queries, arrive)
    answer = ask(stem, database, order_id, consistency_token=token(order_id, 1), prefer="wait=9")
    assert (answer["statusCode"], answer["headers"]["read-model-stale"]) == (200, "?0")
    assert database.statements == 8, "the seventh asks for the answer, the last gives up the place"
    assert clock.now < 0.1


def test_without_a_wait_there_is_one_look(projector: Database, queries: Database) -> None:
    del projector
    database = HookedDatabase(queries, lambda _: None)
    order_id = new_order()
    answer = ask("get_order", database, order_id, consistency_token=token(order_id, 1))
    assert (answer["statusCode"], database.statements) == (503, 1)


def test_a_long_wait_costs_a_few_looks_a_second(
    projector: Database, queries: Database, clock: SimpleNamespace
) -> None:
    del projector
    looks: list[float] = []
    database = HookedDatabase(queries, lambda _: looks.append(clock.now))
    order_id = new_order()
    answer = ask(
        "get_order", database, order_id, consistency_token=token(order_id, 1), prefer="wait=20"
    )
    assert answer["statusCode"] == 503
    assert clock.now == pytest.approx(LONGEST_WAIT)
    assert sum(look <= 0.025 for look in looks) >= 4, "an event is visible after some 20 ms"
    for begin in range(1, LONGEST_WAIT):
        assert sum(begin <= look < begin + 1 for look in looks) <= 4


# ── outages ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("first_down", [1, 2, 7])
def test_a_wait_survives_a_restart_of_the_database(
    projector: Database, queries: Database, clock: SimpleNamespace, first_down: int
) -> None:
    order_id = new_order()
    back_at = first_down + 6

    def go_down(statement: int) -> None:
        if statement == back_at:
            apply(projector, batch({0: [record_of(order_id, 1, an_order_was_placed())]}))
        if first_down <= statement < back_at:
            raise DatabaseUnavailableError("the database system is starting up")

    database = HookedDatabase(queries, go_down)
    answer = ask(
        "get_order", database, order_id, consistency_token=token(order_id, 1), prefer="wait=10"
    )
    assert (answer["statusCode"], answer["headers"]["read-model-stale"]) == (200, "?0")
    assert 0.5 < clock.now < 10, "with a back-off"


@pytest.mark.parametrize(("headers", "waited"), [({"prefer": "wait=3"}, 3), ({}, 0)])
def test_a_database_that_stays_down_is_503_when_the_wait_is_over(
    queries: Database, clock: SimpleNamespace, headers: dict[str, str], waited: float
) -> None:
    def be_down(_: int) -> None:
        raise DatabaseUnavailableError("no")

    database = HookedDatabase(queries, be_down)
    answer = ask("get_order", database, new_order(), **headers)
    assert (answer["statusCode"], body_of(answer)["code"]) == (503, "service-unavailable")
    assert clock.now == pytest.approx(waited)
    assert database.statements <= 1 + 4 * waited + 4


# ── max-age ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("stem", ["list_customer_orders", "get_read_models"])
def test_max_age_0_asks_for_nothing(projector: Database, queries: Database, stem: str) -> None:
    del projector
    database = HookedDatabase(queries, lambda _: None)
    for wait in ({}, {"prefer": "wait=20"}):
        database.statements = 0
        answer = ask(stem, database, new_order(), cache_control="max-age=0", **wait)
        assert (answer["statusCode"], database.statements) == (200, 1)


def test_a_web_page_revalidates(projector: Database, queries: Database) -> None:
    order_id = new_order()
    apply(projector, batch({0: [record_of(order_id, 1, an_order_was_placed())]}))
    fetched = {"cache_control": "max-age=0"}
    same = ask("get_order", queries, order_id, if_none_match='"1"', **fetched)
    assert (same["statusCode"], same["headers"]["read-model-stale"]) == (304, "?0")
    apply(projector, batch({0: [record_of(order_id, 2, it_was_confirmed())]}, 1))
    newer = ask("get_order", queries, order_id, if_none_match='"1"', **fetched)
    assert (newer["statusCode"], body_of(newer)["version"]) == (200, 2)


def test_max_age_counts_from_when_the_request_came(projector: Database, queries: Database) -> None:
    """The watermark that reaches the bound takes its time to arrive, and still ends the wait."""
    apply(projector, batch({0: [watermark(ago(60))]}))
    reached = ago(9)

    def arrive(statement: int) -> None:
        if statement == 3:  # the first look, after the answer and the place
            apply(projector, batch({0: [watermark(reached)]}, 1))
            # By now it is more than ten seconds old.
            projector.rows("select pg_sleep(1.2)")

    database = HookedDatabase(queries, arrive)
    headers = {"cache_control": "max-age=10", "prefer": "wait=20"}
    answer = ask("list_customer_orders", database, new_order(), **headers)
    assert (answer["statusCode"], database.statements) == (200, 5)
    assert answer["headers"]["read-model-as-of"] == rfc3339(reached)
    late = ask("list_customer_orders", queries, new_order(), cache_control="max-age=10")
    assert (late["statusCode"], body_of(late)["code"]) == (503, "read-model-behind")


def test_max_age_is_not_reached_by_a_watermark_from_before(
    projector: Database, queries: Database, clock: SimpleNamespace
) -> None:
    apply(projector, batch({0: [watermark(ago(60))]}))
    headers = {"cache_control": "max-age=10", "prefer": "wait=2"}
    answer = ask("list_customer_orders", queries, new_order(), **headers)
    assert (answer["statusCode"], body_of(answer)["code"]) == (503, "read-model-behind")
    assert clock.now == pytest.approx(2)


def test_after_an_outage_max_age_still_counts_from_when_the_request_came(
    projector: Database, queries: Database, clock: SimpleNamespace
) -> None:
    apply(projector, batch({0: [watermark(ago(12))]}))

    def be_down_for_long(statement: int) -> None:
        if statement == 1:
            clock.now += 5
            raise DatabaseUnavailableError("no")

    database = HookedDatabase(queries, be_down_for_long)
    headers = {"cache_control": "max-age=10", "prefer": "wait=20"}
    answer = ask("list_customer_orders", database, new_order(), **headers)
    assert answer["statusCode"] == 200


# ── what every answer tells ──────────────────────────────────────────────────────────────────────


def statuses(queries: Database, order_id: str) -> dict[int, dict[str, str]]:
    """Ask for an answer of each status that tells about freshness; give their headers."""
    answers = [
        ask("get_order", queries, order_id),
        ask("get_order", queries, order_id, if_none_match='"1"'),
        ask("get_order", queries, new_order()),
        ask("get_order", queries, order_id, consistency_token=token(new_order(), 1)),
    ]
    return {answer["statusCode"]: answer["headers"] for answer in answers}


def test_every_answer_tells_how_fresh_it_is(projector: Database, queries: Database) -> None:
    order_id, as_of = new_order(), ago(1)
    apply(projector, batch({0: [record_of(order_id, 1, an_order_was_placed()), watermark(as_of)]}))
    found = statuses(queries, order_id)
    assert set(found) == {200, 304, 404, 503}
    for status, headers in found.items():
        assert headers["read-model"] == "order_details"
        assert headers["read-model-as-of"] == rfc3339(as_of)
        assert headers["read-model-stale"] == ("?1" if status == 503 else "?0")
        assert "read-model-parked" not in headers


@pytest.mark.parametrize(
    ("stem", "path", "claims"),
    [
        ("get_order", {"order_id": "no-order-id"}, customer("ALFKI")),
        ("list_customer_orders", {"customer_id": "ALFKI"}, customer("ANATR")),
    ],
)
def test_what_is_not_found_without_looking_tells_it_too(
    projector: Database, queries: Database, stem: str, path: dict[str, str], claims: dict[str, str]
) -> None:
    as_of = ago(1)
    apply(projector, batch({0: [watermark(as_of)]}))
    answer = QUERIES[stem].using(queries)(request(path=path, claims=claims), None)
    assert answer["statusCode"] == 404
    assert answer["headers"]["read-model-as-of"] == rfc3339(as_of)


def test_orders_whose_events_are_held_back_are_counted_in_every_answer(
    projector: Database, queries: Database
) -> None:
    order_id = new_order()
    placed = record_of(order_id, 1, an_order_was_placed())
    apply(
        projector,
        batch(
            {
                0: [placed, watermark(ago(9), 3, withheld=7), watermark(ago(8), 3, withheld=2)],
                1: [watermark(ago(7), 3, withheld=3)],
                2: [watermark(ago(7), 3)],
            }
        ),
    )
    assert {h["read-model-parked"] for h in statuses(queries, order_id).values()} == {"3"}
    for stem in ("list_customer_orders", "get_read_models"):
        assert ask(stem, queries, order_id)["headers"]["read-model-parked"] == "3"
    # A batch without a watermark says nothing about it.
    apply(projector, batch({1: [record_of(new_order(), 1, an_order_was_placed())]}, 1))
    assert ask("get_order", queries, order_id)["headers"]["read-model-parked"] == "3"
    apply(projector, batch({1: [watermark(ago(5), 3)]}, 2))
    assert ask("get_order", queries, order_id)["headers"]["read-model-parked"] == "2"
    apply(projector, batch({0: [watermark(ago(4), 3, withheld=0)]}, 3))
    assert "read-model-parked" not in ask("get_order", queries, order_id)["headers"]
