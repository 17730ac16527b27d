"""Idempotency keys and If-Match on a real database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from commands import cancel_order, change_line_quantity, confirm_order, place_order
from tests.integration.commands_on_postgres import CountingDatabase, events_of, placed
from tests.integration.requests import body_of, customer, request
from tests.shared import an_order

if TYPE_CHECKING:
    from ordering.runtime.postgres import Database
    from tests.databases import Databases


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


def test_a_key_whose_first_request_takes_long_is_in_progress(
    database: CountingDatabase, databases: Databases
) -> None:
    slow = databases.open("write", "ordering_command").session()
    with slow.cursor() as cursor:
        cursor.execute("insert into command_results values ('operator', 'slow', '', '{}', default)")
    event = request(an_order(), idempotency_key="slow")
    answer = place_order.handler.using(database)(event, None)
    slow.close()
    assert (answer["statusCode"], body_of(answer)["code"]) == (409, "request-in-progress")
    assert answer["headers"]["retry-after"] == "1"
    assert place_order.handler.using(database)(event, None)["statusCode"] == 201


def test_an_order_whose_first_request_takes_long_is_in_progress_too(
    database: CountingDatabase, databases: Databases
) -> None:
    order_id = placed(database)
    slow = databases.open("write", "ordering_command").session()
    with slow.cursor() as cursor:
        cursor.execute("update orders set version = version where order_id = %s", [order_id])
    event = request(path={"order_id": order_id}, idempotency_key="behind-the-slow-one")
    answer = confirm_order.handler.using(database)(event, None)
    slow.close()
    assert (answer["statusCode"], body_of(answer)["code"]) == (409, "request-in-progress")
    assert confirm_order.handler.using(database)(event, None)["statusCode"] == 200


def test_a_key_remembers_the_request_and_not_how_it_was_read(
    database: CountingDatabase, owner: Database
) -> None:
    """What is hashed: a deployment must not make last week's keys those of other requests."""
    order_id = placed(database)
    event = request({"reason": "r"}, path={"order_id": order_id}, idempotency_key="pinned")
    assert cancel_order.handler.using(database)(event, None)["statusCode"] == 200
    sent = f'["cancel_order", "{order_id}", {{"reason": "r"}}]'
    assert owner.rows(
        "select request_hash = sha256(%(sent)s::bytea) from command_results"
        " where idempotency_key = 'pinned'",
        {"sent": sent},
    ) == [(True,)]
    spaced = '{\n "reason" : "r"}'
    again = request(spaced, path={"order_id": order_id}, idempotency_key="pinned")
    answer = cancel_order.handler.using(database)(again, None)
    assert answer["headers"]["idempotency-replayed"] == "true"


@pytest.mark.parametrize("key", ["k", "k" * 254, "k" * 255, '!"#~'])
def test_a_key_has_1_to_255_visible_characters(database: CountingDatabase, key: str) -> None:
    event = request(an_order(), idempotency_key=key)
    assert place_order.handler.using(database)(event, None)["statusCode"] == 201


@pytest.mark.parametrize("key", ["", "k" * 256, "a b", "é", "a\t", "\x7f"])
def test_any_other_key_is_refused(database: CountingDatabase, key: str) -> None:
    event = request(an_order(), idempotency_key=key)
    answer = place_order.handler.using(database)(event, None)
    assert (answer["statusCode"], body_of(answer)["code"]) == (400, "bad-idempotency-key")


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
    for tag in ('"1"', "*"):
        refused = place_order.handler.using(database)(request(an_order(), if_match=tag), None)
        assert (refused["statusCode"], body_of(refused)["code"]) == (412, "version-mismatch")


@pytest.mark.parametrize("tag", ['"abc"', 'W/"1"', '"12345678901"', '""', '"a,b", "7"', '"01"'])
def test_an_etag_that_the_order_never_has_does_not_match(
    database: CountingDatabase, tag: str
) -> None:
    event = request(path={"order_id": placed(database)}, if_match=tag)
    answer = confirm_order.handler.using(database)(event, None)
    assert (answer["statusCode"], body_of(answer)["code"]) == (412, "version-mismatch")
    assert answer["headers"]["etag"] == '"1"'


@pytest.mark.parametrize(
    "tag", ["*", '"a,b","1"', ' W/"7" , "1" ', '"1",', ',"1"', ', ,"7",,\t,"1" ,']
)
def test_an_etag_that_matches_lets_the_command_through(
    database: CountingDatabase, tag: str
) -> None:
    event = request(path={"order_id": placed(database)}, if_match=tag)
    assert confirm_order.handler.using(database)(event, None)["statusCode"] == 200


@pytest.mark.parametrize("tag", ["", "1", '"1', '"1" "2"', ",", " , ", "**", '"1", *', '"1"" "'])
def test_what_is_no_etag_is_refused(database: CountingDatabase, tag: str) -> None:
    event = request(path={"order_id": placed(database)}, if_match=tag)
    answer = confirm_order.handler.using(database)(event, None)
    assert (answer["statusCode"], body_of(answer)["code"]) == (400, "bad-if-match")
