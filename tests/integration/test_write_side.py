"""The write loop on a real database: what is written, and what is not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from commands import apply_coupon, cancel_order, confirm_order, place_order
from ordering.domain.evolution import evolve
from ordering.domain.order import Order
from ordering.domain.recorded import parse
from tests.integration.commands_on_postgres import (
    CountingDatabase,
    LosingDatabase,
    events_of,
    make_too_large,
    placed,
)
from tests.integration.requests import body_of, checkout, customer, request
from tests.shared import an_order

if TYPE_CHECKING:
    from collections.abc import Callable

    from ordering.runtime.postgres import Database
    from tests.databases import Databases


def test_one_statement_writes_state_event_outbox_and_answer(
    database: CountingDatabase, owner: Database
) -> None:
    order_id = placed(database, idempotency_key="one-statement")
    assert database.round_trips == 1
    assert owner.rows(
        "select version, customer_id, status from orders where order_id = %(id)s", {"id": order_id}
    ) == [(1, "ALFKI", "placed")]
    assert events_of(owner, order_id) == [(1, "OrderPlaced")]
    assert owner.rows("select version from outbox where order_id = %(id)s", {"id": order_id}) == [
        (1,)
    ]
    assert owner.rows(
        "select answer ->> 'order_id' from command_results where idempotency_key = 'one-statement'"
    ) == [(order_id,)]


def test_a_command_on_an_order_costs_two_round_trips(database: CountingDatabase) -> None:
    order_id = placed(database)
    database.round_trips = 0
    response = confirm_order.handler.using(database)(request(path={"order_id": order_id}), None)
    assert response["statusCode"] == 200
    assert database.round_trips == 2


def test_the_stored_state_is_the_fold_of_the_log(
    database: CountingDatabase, owner: Database
) -> None:
    order_id = placed(database)
    path = {"order_id": order_id}
    confirm_order.handler.using(database)(request(path=path), None)
    cancel_order.handler.using(database)(request({"reason": "twice"}, path=path), None)
    folded: Order | None = None
    for event_type, schema_version, data in owner.rows(
        "select type, schema_version, data from order_events where order_id = %(id)s"
        " order by version",
        {"id": order_id},
    ):
        folded = evolve(folded, parse(event_type, schema_version, data).fact)
    ((state, status),) = owner.rows(
        "select state::text, status from orders where order_id = %(id)s", {"id": order_id}
    )
    assert folded is not None
    assert Order.model_validate_json(state) == folded
    assert status == folded.status == "cancelled"


def test_an_answer_names_order_version_status_and_events(database: CountingDatabase) -> None:
    order_id = placed(database)
    response = confirm_order.handler.using(database)(request(path={"order_id": order_id}), None)
    assert body_of(response) == {
        "order_id": order_id,
        "version": 2,
        "status": "confirmed",
        "events": ["OrderConfirmed"],
    }
    assert response["headers"]["etag"] == '"2"'
    assert response["headers"]["consistency-token"] == f"{order_id}.2"


def test_a_lost_race_is_decided_anew(databases: Databases, owner: Database) -> None:
    order_id = placed(databases.open("write", "ordering_command"))

    def confirm(_: int) -> dict[str, Any]:
        database = databases.open("write", "ordering_command")
        return confirm_order.handler.using(database)(request(path={"order_id": order_id}), None)

    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(confirm, range(8)))
    assert sorted(answer["statusCode"] for answer in answers) == [200] + [409] * 7
    refused = {body_of(a)["code"] for a in answers if a["statusCode"] == 409}
    assert refused == {"order-already-confirmed"}
    assert events_of(owner, order_id) == [(1, "OrderPlaced"), (2, "OrderConfirmed")]


@pytest.mark.parametrize(
    ("losses", "status", "loads"), [(0, 200, 1), (1, 200, 2), (5, 200, 6), (6, 409, 6)]
)
def test_a_lost_race_is_tried_again_five_times(
    databases: Databases, losses: int, status: int, loads: int
) -> None:
    database = LosingDatabase(databases.conninfo("write", "ordering_command"), "none", "test")
    order_id = placed(database)
    database.losses, database.round_trips = losses, 0
    answer = confirm_order.handler.using(database)(request(path={"order_id": order_id}), None)
    assert answer["statusCode"] == status
    assert database.round_trips == loads + (status == 200)
    assert database.lost == losses
    if status == 409:
        assert body_of(answer)["code"] == "conflict"


@pytest.mark.parametrize(
    "scopes",
    [
        {"scope": "orders:read orders:operate"},
        {"scp": "orders:operate"},
        {"scp": "[orders:read orders:operate]"},
        {"scope": "null", "scp": "orders:operate"},
    ],
)
def test_an_operator_is_one_however_the_issuer_writes_scopes(
    database: CountingDatabase, scopes: dict[str, str]
) -> None:
    event = request(path={"order_id": placed(database)}, claims={"sub": "somebody", **scopes})
    assert confirm_order.handler.using(database)(event, None)["statusCode"] == 200


@pytest.mark.parametrize(
    "claims", [{}, {"sub": ""}, {"sub": "s" * 256}, {"sub": "null"}, {"sub": "[a b]"}]
)
def test_who_has_no_name_gets_no_answer(database: CountingDatabase, claims: dict[str, str]) -> None:
    event = request(an_order(), claims={"scope": "orders:operate", **claims})
    answer = place_order.handler.using(database)(event, None)
    assert (answer["statusCode"], body_of(answer)["code"]) == (403, "no-subject")


@pytest.mark.parametrize(
    ("make", "status", "code"),
    [
        (lambda: request("{", content_type="application/json"), 400, "malformed-request"),
        (lambda: request("[]", content_type="application/json"), 422, "invalid-request"),
        (lambda: request("{}", content_type="text/plain"), 415, "unsupported-media-type"),
        (lambda: request(an_order(surprise=1)), 422, "invalid-request"),
        (lambda: request(an_order(currency=1)), 422, "invalid-request"),
        (lambda: request(an_order(reference="x" * 300_000)), 413, "request-too-large"),
        (lambda: request(an_order(), idempotency_key="a b"), 400, "bad-idempotency-key"),
        (lambda: request(an_order(), if_match="3"), 400, "bad-if-match"),
        (
            lambda: request('{"customer_id": "\udc80"}', content_type="application/json"),
            400,
            "malformed-request",
        ),
        (
            lambda: request(an_order(), claims=checkout("ANATR")),
            403,
            "not-your-customer-id",
        ),
    ],
)
def test_bad_input_is_refused_and_writes_nothing(
    database: CountingDatabase,
    owner: Database,
    make: Callable[[], dict[str, Any]],
    status: int,
    code: str,
) -> None:
    before = owner.rows("select count(*) from orders")
    response = place_order.handler.using(database)(make(), None)
    assert (response["statusCode"], body_of(response)["code"]) == (status, code)
    assert response["headers"]["content-type"] == "application/problem+json"
    assert owner.rows("select count(*) from orders") == before
    assert database.round_trips == 0


def test_an_order_that_is_not_the_callers_does_not_exist(database: CountingDatabase) -> None:
    order_id = placed(database)
    confirm = confirm_order.handler.using(database)
    for path, claims in [
        ({"order_id": order_id}, customer("ANATR")),
        ({"order_id": "01900000-0000-7000-8000-000000000000"}, customer("ALFKI")),
        ({"order_id": "no-id"}, customer("ALFKI")),
    ]:
        refused = confirm(request(path=path, claims=claims), None)
        assert (refused["statusCode"], body_of(refused)["code"]) == (404, "order-not-found")
    assert (
        confirm(request(path={"order_id": order_id}, claims=customer("ALFKI")), None)["statusCode"]
        == 200
    )


def test_an_event_that_cannot_be_published_is_refused_and_nothing_is_written(
    database: CountingDatabase, owner: Database
) -> None:
    order_id = placed(database)
    make_too_large(owner, order_id)
    coupon = {"code": "TEN", "percent_off": "10"}
    apply = apply_coupon.handler.using(database)
    asked = request(coupon, path={"order_id": order_id}, idempotency_key="too-large")
    refused = apply(asked, None)
    assert (refused["statusCode"], body_of(refused)["code"]) == (409, "order-too-large")
    assert body_of(refused)["detail"].startswith("CouponApplied has ")
    assert events_of(owner, order_id) == [(1, "OrderPlaced")]
    assert not owner.rows("select 1 from command_results where idempotency_key = 'too-large'")


def test_the_command_role_may_not_touch_the_log(databases: Databases) -> None:
    database = databases.open("write", "ordering_command")
    for statement in ("update order_events set version = 9", "delete from order_events"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            database.rows(statement)
