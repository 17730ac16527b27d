"""Projections and queries on a real database."""

from __future__ import annotations

import threading
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg2
import pytest

from ordering.delivery.envelope import write_watermark
from ordering.read_side.freshness import rfc3339
from ordering.read_side.query import READ_MODELS
from ordering.runtime.consistency import token
from ordering.runtime.link import PLANNED_ONCE
from ordering.runtime.postgres import Database, DatabaseUnavailableError
from projectors import order_details
from queries import get_order, get_read_models, list_customer_orders
from tests.domain.vocabulary import (
    NOW,
    an_order_was_placed,
    it_was_cancelled,
    it_was_confirmed,
)
from tests.integration.breaking import BreakableDatabase
from tests.integration.projections import (
    already_read,
    apply,
    batch,
    new_order,
    record_of,
)
from tests.integration.requests import body_of, customer, request

if TYPE_CHECKING:
    from tests.databases import Databases


def test_a_batch_of_several_partitions_is_applied(projector: Database, queries: Database) -> None:
    a, b = new_order(), new_order()
    event = batch(
        {
            0: [record_of(a, 1, an_order_was_placed()), record_of(a, 2, it_was_confirmed())],
            1: [record_of(b, 1, an_order_was_placed())],
        }
    )
    assert apply(projector, event) == []
    found = get_order.handler.using(queries)(request(path={"order_id": a}), None)
    assert body_of(found)["status"] == "confirmed"
    assert found["headers"]["etag"] == '"2"'
    listed = list_customer_orders.handler.using(queries)(
        request(path={"customer_id": "ALFKI"}), None
    )
    assert {item["order_id"] for item in body_of(listed)["items"]} == {a, b}


def test_a_batch_costs_two_round_trips(databases: Databases) -> None:
    projector = BreakableDatabase(databases.conninfo("read", "ordering_projector"), PLANNED_ONCE)
    function = order_details.handler.using(projector)
    # The first batch of an environment asks which generations there are.
    function(batch({0: [record_of(new_order(), 1, an_order_was_placed())]}), None)
    before = projector.statement
    values: list[bytes | None] = [
        record_of(new_order(), 1, an_order_was_placed()) for _ in range(50)
    ]
    function(batch({0: values}, 1), None)
    assert projector.statement == before + 2
    # Watermarks change no order: there is nothing to read.
    function(batch({0: [write_watermark(datetime.now(UTC), 1)]}, 51), None)
    assert projector.statement == before + 3
    projector.close()


def test_delivered_twice_counts_once(projector: Database, queries: Database) -> None:
    order_id = new_order()
    first = record_of(order_id, 1, an_order_was_placed())
    event = batch({0: [first, record_of(order_id, 2, it_was_confirmed()), first]})
    assert apply(projector, event) == []
    assert apply(projector, event) == []
    found = get_order.handler.using(queries)(request(path={"order_id": order_id}), None)
    assert (body_of(found)["version"], body_of(found)["status"]) == (2, "confirmed")


def test_a_gap_stops_its_partition_until_the_missing_event_came(projector: Database) -> None:
    order_id, other = new_order(), new_order()
    already_read(projector, 0, 10)
    placed = record_of(order_id, 1, an_order_was_placed())
    cancelled = record_of(order_id, 3, it_was_cancelled())
    elsewhere = record_of(other, 1, an_order_was_placed())
    assert apply(projector, batch({0: [placed, cancelled], 1: [elsewhere]}, 10)) == [
        ("ordering.orders-0", 11)
    ]
    assert projector.rows(
        "select order_id::text, version from order_details order by version, order_id"
    ) == sorted([(order_id, 1), (other, 1)], key=lambda row: uuid.UUID(row[0]))
    assert (
        apply(projector, batch({0: [record_of(order_id, 2, it_was_confirmed()), cancelled]}, 11))
        == []
    )
    assert projector.rows("select version from order_details where version > 1") == [(3,)]


@pytest.mark.parametrize("poison", [b"", b"{}", b"\xff\xfe", None])
def test_a_record_that_is_nobodys_is_kept_and_stops_nothing(
    projector: Database, poison: bytes | None
) -> None:
    before, after, elsewhere = (record_of(new_order(), 1, an_order_was_placed()) for _ in range(3))
    event = batch({0: [before, poison, after], 3: [elsewhere]}, 5)
    assert apply(projector, event) == []
    assert apply(projector, event) == []
    assert projector.rows("select count(*) from order_details") == [(3,)]
    assert projector.rows(
        "select read_model, order_id, record_offset, encode(record, 'hex') from parked_events"
        " order by read_model"
    ) == [(name, None, 6, None if poison is None else poison.hex()) for name in sorted(READ_MODELS)]


def test_without_its_database_the_whole_batch_comes_again() -> None:
    nowhere = Database("host=127.0.0.1 port=1 dbname=ordering user=x", "none", "test")
    event = batch({0: [record_of(new_order(), 1, an_order_was_placed())]})
    with pytest.raises(DatabaseUnavailableError):
        order_details.handler.using(nowhere)(event, None)


def test_the_age_of_a_read_model_is_that_of_its_oldest_partition(
    projector: Database, queries: Database
) -> None:
    ask = get_read_models.handler.using(queries)
    assert {i["as_of"] for i in body_of(ask(request(), None))["items"]} == {None}
    old, new = datetime.now(UTC) - timedelta(seconds=9), datetime.now(UTC)
    apply(projector, batch({0: [write_watermark(new, 2)]}))
    assert {i["as_of"] for i in body_of(ask(request(), None))["items"]} == {None}
    apply(projector, batch({1: [write_watermark(old, 2)]}))
    answer = ask(request(), None)
    assert [item["name"] for item in body_of(answer)["items"]] == sorted(READ_MODELS)
    for item in body_of(answer)["items"]:
        assert 9 <= item["age_seconds"] < 15
    assert answer["headers"]["read-model-as-of"] == body_of(answer)["items"][0]["as_of"]


def test_after_skipped_records_a_read_model_gets_no_younger(
    projector: Database, queries: Database
) -> None:
    ask = get_read_models.handler.using(queries)

    def as_of() -> set[str | None]:
        return {item["as_of"] for item in body_of(ask(request(), None))["items"]}

    first, second, third = (datetime.now(UTC) - timedelta(seconds=s) for s in (3, 2, 1))
    apply(projector, batch({0: [write_watermark(first, 1)]}))
    apply(projector, batch({0: [write_watermark(second, 1)]}, 1))
    assert as_of() == {rfc3339(second)}
    # Offsets 2 to 6 never came.
    order_id = new_order()
    skipped = batch(
        {0: [record_of(order_id, 1, an_order_was_placed()), write_watermark(third, 1)]}, 7
    )
    assert apply(projector, skipped) == []
    apply(projector, batch({0: [write_watermark(third, 1)]}, 9))
    assert as_of() == {rfc3339(second)}
    assert projector.rows("select distinct gap_at from watermarks") == [(2,)]
    assert (
        get_order.handler.using(queries)(request(path={"order_id": order_id}), None)["statusCode"]
        == 200
    )


def test_a_read_model_that_begins_in_the_middle_has_no_age(
    projector: Database, queries: Database
) -> None:
    apply(projector, batch({0: [write_watermark(NOW, 1)]}, 100))
    apply(projector, batch({0: [write_watermark(NOW, 1)]}, 101))
    answer = get_read_models.handler.using(queries)(request(), None)
    assert {item["as_of"] for item in body_of(answer)["items"]} == {None}


def test_a_token_does_not_tell_of_others_orders(projector: Database, queries: Database) -> None:
    order_id = new_order()
    apply(projector, batch({0: [record_of(order_id, 1, an_order_was_placed())]}))
    answers = [
        list_customer_orders.handler.using(queries)(
            request(
                path={"customer_id": "ANATR"},
                claims=customer("ANATR"),
                consistency_token=token(asked, 1),
            ),
            None,
        )
        for asked in (order_id, new_order())
    ]
    assert [answer["statusCode"] for answer in answers] == [503, 503]


def test_a_watermark_behind_a_failure_is_not_believed(
    projector: Database, queries: Database
) -> None:
    missing = record_of(new_order(), 2, it_was_confirmed())
    apply(projector, batch({0: [missing, write_watermark(NOW, 1)]}))
    answer = get_read_models.handler.using(queries)(request(), None)
    assert {item["as_of"] for item in body_of(answer)["items"]} == {None}


def test_a_query_waits_until_its_token_is_reached(projector: Database, queries: Database) -> None:
    order_id = new_order()
    apply(projector, batch({0: [record_of(order_id, 1, an_order_was_placed())]}))
    confirmed = batch({0: [record_of(order_id, 2, it_was_confirmed())]})
    later = threading.Timer(0.3, apply, args=(projector, confirmed))
    later.start()
    asked = request(
        path={"order_id": order_id}, consistency_token=token(order_id, 2), prefer="wait=10"
    )
    started = time.monotonic()
    answer = get_order.handler.using(queries)(asked, None)
    later.join()
    assert 0.2 < time.monotonic() - started < 5
    assert body_of(answer)["status"] == "confirmed"
    assert answer["headers"]["read-model-stale"] == "?0"
    assert answer["headers"]["preference-applied"] == "wait=10"


def test_a_token_not_reached_in_time_gives_a_stale_answer_that_says_so(
    projector: Database, queries: Database
) -> None:
    order_id = new_order()
    apply(projector, batch({0: [record_of(order_id, 1, an_order_was_placed())]}))
    answer = get_order.handler.using(queries)(
        request(path={"order_id": order_id}, consistency_token=token(order_id, 2)), None
    )
    assert (answer["statusCode"], body_of(answer)["version"]) == (200, 1)
    assert answer["headers"]["read-model-stale"] == "?1"


def test_an_order_that_has_not_arrived_is_503_not_404(
    projector: Database, queries: Database
) -> None:
    del projector
    order_id = new_order()
    answer = get_order.handler.using(queries)(
        request(path={"order_id": order_id}, consistency_token=token(order_id, 1)), None
    )
    assert (answer["statusCode"], body_of(answer)["code"]) == (503, "read-model-behind")
    assert answer["headers"]["retry-after"] == "1"


def test_without_its_database_a_query_is_503() -> None:
    nowhere = Database("host=127.0.0.1 port=1 dbname=ordering user=x", "none", "test")
    answer = get_order.handler.using(nowhere)(request(path={"order_id": new_order()}), None)
    assert (answer["statusCode"], body_of(answer)["code"]) == (503, "service-unavailable")


def test_the_query_role_only_reads(queries: Database) -> None:
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        queries.rows("delete from order_details")
