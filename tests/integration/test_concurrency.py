"""Fifty clients at once on one order: what is accepted is in the log once, and answered so."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from commands import add_note, authorize_payment, confirm_order, hold_order, place_order
from tests.integration.requests import body_of, request
from tests.shared import an_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ordering.command_side import CommandFunction
    from ordering.runtime.postgres import Database
    from tests.databases import Databases

CLIENTS = 50

Response = dict[str, Any]


class Crowd:
    """Fifty clients, each with a connection of its own, that all begin at the same moment."""

    def __init__(self, connections: list[Database]) -> None:
        self._connections = connections
        self._threads = ThreadPoolExecutor(len(connections))

    def all_at_once(self, ask: Callable[[Database, int], Response]) -> list[Response]:
        ready = threading.Barrier(len(self._connections))

        def one(number: int) -> Response:
            ready.wait(30)
            return ask(self._connections[number], number)

        return list(self._threads.map(one, range(len(self._connections))))

    def close(self) -> None:
        self._threads.shutdown()
        for connection in self._connections:
            connection.close()


@pytest.fixture(scope="module")
def crowd(databases: Databases) -> Iterator[Crowd]:
    crowd = Crowd([databases.open("write", "ordering_command") for _ in range(CLIENTS)])
    yield crowd
    crowd.close()


@pytest.fixture
def order_id(databases: Databases) -> str:
    database = databases.open("write", "ordering_command")
    response = place_order.handler.using(database)(request(an_order()), None)
    order_id = str(body_of(response)["order_id"])
    confirm_order.handler.using(database)(request(path={"order_id": order_id}), None)
    return order_id


def send(
    function: CommandFunction[Any], database: Database, order_id: str, body: object, **headers: str
) -> Response:
    event = request(body, path={"order_id": order_id})
    event["headers"] |= {name.replace("_", "-"): value for name, value in headers.items()}
    response: Response = function.using(database)(event, None)
    return response


def note(database: Database, order_id: str, text: str, **headers: str) -> Response:
    return send(add_note.handler, database, order_id, {"text": text}, **headers)


def log_of(owner: Database, order_id: str) -> dict[int, tuple[str, str | None]]:
    rows = owner.rows(
        "select version, type, data ->> 'text' from order_events where order_id = %(id)s"
        " order by version",
        {"id": order_id},
    )
    ((version,),) = owner.rows(
        "select version from orders where order_id = %(id)s", {"id": order_id}
    )
    queued = owner.rows(
        "select version from outbox where order_id = %(id)s order by seq", {"id": order_id}
    )
    versions = list(range(1, version + 1))
    assert [row[0] for row in rows] == [row[0] for row in queued] == versions
    return {row[0]: (row[1], row[2]) for row in rows}


def accepted(answers: list[Response]) -> list[Response]:
    return [answer for answer in answers if answer["statusCode"] == 200]


def test_without_if_match_all_that_is_accepted_is_in_the_log_once(
    crowd: Crowd, owner: Database, order_id: str
) -> None:
    answers = crowd.all_at_once(lambda database, n: note(database, order_id, f"note {n}"))
    log = log_of(owner, order_id)
    texts = Counter(text for _, text in log.values() if text)
    for number, answer in enumerate(answers):
        body = body_of(answer)
        if answer["statusCode"] == 200:
            assert log[body["version"]] == ("NoteAdded", f"note {number}")
            assert texts[f"note {number}"] == 1
        else:
            assert (answer["statusCode"], body["code"]) == (409, "conflict")
            assert texts[f"note {number}"] == 0
    assert len(accepted(answers)) == len(log) - 2 > 0


def test_with_if_match_one_wins_and_the_others_learn_the_version(
    crowd: Crowd, owner: Database, order_id: str
) -> None:
    answers = crowd.all_at_once(
        lambda database, n: note(database, order_id, f"note {n}", if_match='"2"')
    )
    (winner,) = accepted(answers)
    assert body_of(winner)["version"] == 3
    others = [body_of(answer) for answer in answers if answer is not winner]
    assert {(problem["status"], problem["code"]) for problem in others} == {
        (412, "version-mismatch")
    }
    assert {problem["current_version"] for problem in others} == {3}
    assert len(log_of(owner, order_id)) == 3


def test_five_keys_ten_times_each_are_five_commands(
    crowd: Crowd, owner: Database, order_id: str
) -> None:
    answers = crowd.all_at_once(
        lambda database, n: note(
            database, order_id, f"note {n % 5}", idempotency_key=f"{order_id}-{n % 5}"
        )
    )
    log = log_of(owner, order_id)
    for number in range(5):
        of_this_key = accepted(answers[number::5])
        bodies = {answer["body"] for answer in of_this_key}
        in_log = [v for v, (_, text) in log.items() if text == f"note {number}"]
        assert len(bodies) == len(in_log) <= 1
        for answer in of_this_key:
            assert body_of(answer)["version"] == in_log[0]
    refused = {body_of(a)["code"] for a in answers if a["statusCode"] != 200}
    assert refused <= {"conflict", "request-in-progress"}
    assert len(accepted(answers)) >= 10


def test_money_is_promised_once_whoever_is_first(
    crowd: Crowd, owner: Database, order_id: str
) -> None:
    # 29.97 are owed: two of these fit, a third does not.
    amount = {"amount": "12.00", "currency": "EUR"}
    answers = crowd.all_at_once(
        lambda database, n: send(
            authorize_payment.handler,
            database,
            order_id,
            {"payment_id": f"pay-{n}", "method": "card", "amount": amount},
        )
    )
    assert len(accepted(answers)) == 2
    refused = {body_of(answer)["code"] for answer in answers if answer["statusCode"] != 200}
    assert refused <= {"amount-exceeds-owed", "conflict"}
    assert len(log_of(owner, order_id)) == 4


def test_a_mix_of_all_leaves_a_whole_log(crowd: Crowd, owner: Database, order_id: str) -> None:
    def ask(database: Database, number: int) -> Response:
        match number % 4:
            case 0:
                return send(hold_order.handler, database, order_id, {"reason": "r"})
            case 1:
                return note(database, order_id, f"note {number}", if_match='"2"')
            case 2:
                return note(database, order_id, "once", idempotency_key=f"{order_id}-mix")
            case _:
                return note(database, order_id, f"note {number}")

    answers = crowd.all_at_once(ask)
    log = log_of(owner, order_id)
    answered = {
        body_of(answer)["version"]: body_of(answer)["events"] for answer in accepted(answers)
    }
    assert {version: [name] for version, (name, _) in log.items() if version > 2} == answered
    assert {answer["statusCode"] for answer in answers} <= {200, 409, 412}
    assert [name for name, _ in log.values()].count("OrderHeld") <= 1
    assert [text for _, text in log.values()].count("once") <= 1
