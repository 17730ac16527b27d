"""The write loop on a real database: what is written, and what is not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from commands import cancel_order, change_line_quantity, confirm_order, place_order
from ordering.evolution import evolve
from ordering.order import Order
from ordering.postgres import Database
from ordering.recorded import parse
from tests.integration.requests import OPERATOR, body_of, customer, request
from tests.shared import an_order

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.databases import Databases


class CountingDatabase(Database):
    """Counts its round trips."""

    round_trips = 0

    def rows(self, statement: str, parameters: Any = None) -> Any:  # noqa: ANN401 - as its base
        self.round_trips += 1
        return super().rows(statement, parameters)


@pytest.fixture
def database(databases: Databases) -> CountingDatabase:
    return CountingDatabase(databases.conninfo("write", "ordering_command"), "none", "test")


@pytest.fixture
def owner(databases: Databases) -> Database:
    return databases.owner("write")


def placed(database: Database, idempotency_key: str = "") -> str:
    headers = {"idempotency_key": idempotency_key} if idempotency_key else {}
    event = request(an_order(), path=None, query=None, claims=OPERATOR, **headers)
    response = place_order.handler.using(database)(event, None)
    assert response["statusCode"] == 201, response
    return str(body_of(response)["order_id"])


def events_of(owner: Database, order_id: str) -> list[tuple[int, str]]:
    return [
        (version, event_type)
        for version, event_type in owner.rows(
            "select version, type from order_events where order_id = %(id)s order by version",
            {"id": order_id},
        )
    ]


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


def test_the_first_answer_is_replayed(database: CountingDatabase, owner: Database) -> None:
    place = place_order.handler.using(database)
    first = place(request(an_order(), idempotency_key="again"), None)
    second = place(request(an_order(), idempotency_key="again"), None)
    assert body_of(second) == body_of(first)
    assert second["statusCode"] == 201
    assert second["headers"]["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first["headers"]
    path = {"order_id": body_of(first)["order_id"]}
    cancel_order.handler.using(database)(request({"reason": "later"}, path=path), None)
    third = place(request(an_order(), idempotency_key="again"), None)
    assert body_of(third) == body_of(first)
    assert len(events_of(owner, path["order_id"])) == 2


def test_an_answer_that_nothing_followed_from_is_replayed_too(
    database: CountingDatabase, owner: Database
) -> None:
    path = {"order_id": placed(database), "line_id": "1"}
    change = change_line_quantity.handler.using(database)

    def ask(quantity: int, key: str) -> dict[str, Any]:
        return change(request({"quantity": quantity}, path=path, idempotency_key=key), None)

    as_it_is: int = an_order()["lines"][0]["quantity"]
    database.round_trips = 0
    first = ask(as_it_is, "as-it-is")
    assert body_of(first)["events"] == []
    assert database.round_trips == 2
    assert ask(as_it_is + 1, "one-more")["statusCode"] == 200

    again = ask(as_it_is, "as-it-is")

    assert body_of(again) == body_of(first)
    assert again["headers"]["idempotency-replayed"] == "true"
    assert ask(7, "as-it-is")["statusCode"] == 422
    assert events_of(owner, path["order_id"])[1:] == [(2, "LineQuantityChanged")]


def test_a_key_belongs_to_its_request_and_to_its_caller(database: CountingDatabase) -> None:
    place = place_order.handler.using(database)
    first = place(request(an_order(), idempotency_key="mine"), None)
    other = place(request(an_order(reference="other"), idempotency_key="mine"), None)
    assert (other["statusCode"], body_of(other)["code"]) == (422, "idempotency-key-reused")
    theirs = place(request(an_order(), claims=customer("ALFKI"), idempotency_key="mine"), None)
    assert theirs["statusCode"] == 201
    assert body_of(theirs)["order_id"] != body_of(first)["order_id"]


def test_duplicates_at_once_run_once(databases: Databases, owner: Database) -> None:
    def place(_: int) -> dict[str, Any]:
        database = databases.open("write", "ordering_command")
        event = request(an_order(reference="at-once"), idempotency_key="at-once")
        return place_order.handler.using(database)(event, None)

    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(place, range(16)))
    assert {answer["statusCode"] for answer in answers} == {201}
    assert len({body_of(answer)["order_id"] for answer in answers}) == 1
    assert owner.rows("select count(*) from orders where state ->> 'reference' = 'at-once'") == [
        (1,)
    ]


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


def test_if_match_must_name_the_current_version(database: CountingDatabase) -> None:
    order_id = placed(database)
    confirm = confirm_order.handler.using(database)
    path = {"order_id": order_id}
    refused = confirm(request(path=path, if_match='"7"'), None)
    assert (refused["statusCode"], body_of(refused)["code"]) == (412, "version-mismatch")
    assert body_of(refused)["current_version"] == 1
    assert confirm(request(path=path, if_match='"1"'), None)["statusCode"] == 200


def test_if_match_takes_several_versions_and_means_nothing_for_a_new_order(
    database: CountingDatabase,
) -> None:
    order_id = placed(database)
    event = request(path={"order_id": order_id}, if_match='"7", "1"')
    assert confirm_order.handler.using(database)(event, None)["statusCode"] == 200
    refused = place_order.handler.using(database)(request(an_order(), if_match='"1"'), None)
    assert (refused["statusCode"], body_of(refused)["code"]) == (412, "version-mismatch")


def test_a_key_whose_first_request_takes_long_is_in_progress(
    database: CountingDatabase, databases: Databases
) -> None:
    slow = databases.open("write", "ordering_command").connection
    slow.autocommit = False
    with slow.cursor() as cursor:
        cursor.execute("insert into command_results values ('operator', 'slow', '', '{}', default)")
    event = request(an_order(), idempotency_key="slow")
    answer = place_order.handler.using(database)(event, None)
    slow.rollback()
    assert (answer["statusCode"], body_of(answer)["code"]) == (409, "request-in-progress")
    assert answer["headers"]["retry-after"] == "1"
    assert place_order.handler.using(database)(event, None)["statusCode"] == 201


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
            lambda: request(an_order(), claims=customer("ANATR")),
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


def test_a_database_that_does_not_answer_is_503_with_retry_after() -> None:
    nowhere = Database("host=127.0.0.1 port=1 dbname=ordering user=x", "none", "test")
    response = place_order.handler.using(nowhere)(request(an_order()), None)
    assert (response["statusCode"], body_of(response)["code"]) == (503, "service-unavailable")
    assert response["headers"]["retry-after"] == "1"


def test_a_connection_that_the_server_closed_is_replaced(
    database: CountingDatabase, databases: Databases
) -> None:
    placed(database)
    pid = database.connection.info.backend_pid
    another = databases.open("write", "ordering_command")
    another.rows("select pg_terminate_backend(%(pid)s, 5000)", {"pid": pid})
    placed(database)


def test_the_command_role_may_not_touch_the_log(databases: Databases) -> None:
    database = databases.open("write", "ordering_command")
    for statement in ("update order_events set version = 9", "delete from order_events"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            database.rows(statement)
