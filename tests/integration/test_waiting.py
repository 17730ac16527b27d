"""Waiting for what is not there yet: who may wait, and for what."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from ordering.runtime.consistency import token
from tests.domain.vocabulary import an_order_was_placed, it_was_cancelled, it_was_confirmed
from tests.integration.projections import apply, batch, new_order, record_of
from tests.integration.waiting_queries import HookedDatabase, ask

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import SimpleNamespace

    from ordering.runtime.postgres import Database
    from tests.databases import Databases

pytestmark = pytest.mark.usefixtures("clock")

# ── places to wait ───────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def waiter(databases: Databases) -> Database:
    """Return another query's connection, which takes all places but those of the test."""
    return databases.open("read", "ordering_query")


def take_places(waiter: Database, places: Iterable[int]) -> None:
    waiter.rows(
        "select pg_advisory_lock(hashtext('local'), place) from unnest(%(places)s) as place",
        {"places": list(places)},
    )


def test_who_finds_no_place_to_wait_is_answered_at_once(
    projector: Database,
    queries: Database,
    waiter: Database,
    clock: SimpleNamespace,
    capsys: pytest.CaptureFixture[str],
) -> None:
    order_id = new_order()
    apply(projector, batch({0: [record_of(order_id, 1, an_order_was_placed())]}))
    take_places(waiter, range(50))
    database = HookedDatabase(queries, lambda _: None)
    headers = {"consistency_token": token(order_id, 2), "prefer": "wait=9"}
    stale = ask("get_order", database, order_id, **headers)
    assert (stale["statusCode"], stale["headers"]["read-model-stale"]) == (200, "?1")
    assert "preference-applied" not in stale["headers"]
    assert (clock.now, database.statements) == (0, 2)
    assert '"WaitsRefused"' in capsys.readouterr().out
    fresh = ask("get_order", queries, order_id, consistency_token=token(order_id, 1), prefer="wait")
    assert fresh["statusCode"] == 200


def test_the_last_place_is_found_and_given_back(
    projector: Database, queries: Database, waiter: Database, clock: SimpleNamespace
) -> None:
    del projector
    take_places(waiter, range(1, 50))
    for _ in range(2):
        began = clock.now
        answer = ask(
            "get_order",
            queries,
            order_id := new_order(),
            consistency_token=token(order_id, 1),
            prefer="wait=2",
        )
        assert answer["headers"]["preference-applied"] == "wait=2"
        assert clock.now - began == pytest.approx(2)
    assert queries.rows("select pg_try_advisory_lock(hashtext('local'), 0)") == [(True,)]
    queries.rows("select pg_advisory_unlock_all()")


# ── conditional requests ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("tag", ['"1"', 'W/"1"', '"7", "1"'])
@pytest.mark.parametrize("browser", [{}, {"cache_control": "max-age=0"}])
def test_a_conditional_request_waits_for_a_change(
    projector: Database,
    queries: Database,
    clock: SimpleNamespace,
    tag: str,
    browser: dict[str, str],
) -> None:
    order_id = new_order()
    apply(projector, batch({0: [record_of(order_id, 1, an_order_was_placed())]}))

    def arrive(statement: int) -> None:
        if statement == 5:
            apply(projector, batch({0: [record_of(order_id, 2, it_was_confirmed())]}, 1))

    database = HookedDatabase(queries, arrive)
    changed = ask("get_order", database, order_id, if_none_match=tag, prefer="wait=9", **browser)
    assert (changed["statusCode"], changed["headers"]["etag"]) == (200, '"2"')
    assert changed["headers"]["preference-applied"] == "wait=9"
    assert clock.now < 1


def test_a_conditional_request_with_a_token_waits_for_the_later_of_both(
    projector: Database, queries: Database, clock: SimpleNamespace
) -> None:
    order_id = new_order()
    apply(projector, batch({0: [record_of(order_id, 1, an_order_was_placed())]}))
    later = {
        5: record_of(order_id, 2, it_was_confirmed()),
        8: record_of(order_id, 3, it_was_cancelled()),
    }
    offsets = itertools.count(1)

    def arrive(statement: int) -> None:
        if statement in later:
            apply(projector, batch({0: [later[statement]]}, next(offsets)))

    headers = {"if_none_match": '"1"', "consistency_token": token(order_id, 3), "prefer": "wait=9"}
    answer = ask("get_order", HookedDatabase(queries, arrive), order_id, **headers)
    assert (answer["statusCode"], answer["headers"]["etag"]) == (200, '"3"')
    assert answer["headers"]["read-model-stale"] == "?0"
    assert clock.now < 1


def test_without_a_change_a_conditional_request_is_304_when_the_wait_is_over(
    projector: Database, queries: Database, clock: SimpleNamespace
) -> None:
    order_id = new_order()
    apply(projector, batch({0: [record_of(order_id, 1, an_order_was_placed())]}))
    headers = {"if_none_match": '"1"', "prefer": "wait=9"}
    same = ask("get_order", queries, order_id, **headers)
    assert (same["statusCode"], same["headers"]["read-model-stale"]) == (304, "?0")
    assert clock.now == pytest.approx(9)


@pytest.mark.parametrize("tag", ["*", '"2"', "1", ""])
def test_who_knows_no_version_or_any_waits_for_none(
    projector: Database, queries: Database, clock: SimpleNamespace, tag: str
) -> None:
    order_id = new_order()
    apply(projector, batch({0: [record_of(order_id, 1, an_order_was_placed())]}))
    answer = ask("get_order", queries, order_id, if_none_match=tag, prefer="wait=9")
    assert answer["statusCode"] == (304 if tag == "*" else 200)
    unknown = ask("get_order", queries, new_order(), if_none_match=tag, prefer="wait=9")
    assert unknown["statusCode"] == 404
    assert clock.now == 0
