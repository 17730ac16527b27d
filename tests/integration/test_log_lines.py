"""One request leaves one log line: what happened, whose request it was, and its metric (EMF)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from commands import confirm_order, place_order
from ordering.command_side import store
from ordering.runtime import observability
from ordering.runtime.ids import uuid7
from ordering.runtime.observability import Measure
from ordering.runtime.postgres import Database
from ordering.runtime.settings import function_stem
from queries import get_order
from tests.integration.commands_on_postgres import placed
from tests.integration.requests import body_of, request
from tests.shared import an_order

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.databases import Databases

Lines = list[dict[str, Any]]
COUNT = Measure("Counted")


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Callable[[], Lines]:
    """Return the lines written since the last call."""
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def metrics_of(line: dict[str, Any]) -> dict[str, float]:
    """Read a line as CloudWatch does: what the directive names has to be there."""
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Ordering"
    assert directive["Dimensions"] == [["stage", "service"], ["stage"]]
    assert line["service"]
    assert line["stage"] == "local"
    metrics = {metric["Name"]: line[metric["Name"]] for metric in directive["Metrics"]}
    durations = [metrics.pop(name) for name in list(metrics) if name.endswith("Duration")]
    assert all(duration > 0 for duration in durations)
    return metrics


def test_an_accepted_command_says_what_it_did(
    database: Database, lines: Callable[[], Lines]
) -> None:
    event = request(an_order(), x_correlation_id="mine")
    answer = body_of(place_order.handler.using(database)(event, None))
    (line,) = lines()
    assert metrics_of(line) == {"CommandAnswered": 1}
    assert (line["level"], line["message"]) == ("INFO", "accepted")
    assert {name: line[name] for name in answer} == answer
    assert line["correlation_id"] == "mine"
    assert line["traceparent"].startswith("00-")


def test_an_answer_that_is_given_again_is_not_accepted_again(
    database: Database, lines: Callable[[], Lines]
) -> None:
    key = str(uuid7())
    for _ in range(2):
        place_order.handler.using(database)(request(an_order(), idempotency_key=key), None)
    assert [line["message"] for line in lines()] == ["accepted", "replayed"]


def test_a_refused_request_says_why(database: Database, lines: Callable[[], Lines]) -> None:
    event = request("{}", content_type="application/json")
    response = place_order.handler.using(database)(event, None)
    (line,) = lines()
    assert response["statusCode"] == 422
    assert metrics_of(line) == {"CommandRefused": 1}
    assert (line["message"], line["code"]) == ("refused", "invalid-request")


def test_a_line_is_no_longer_than_cloudwatch_takes_it(
    database: Database, lines: Callable[[], Lines]
) -> None:
    name = "\U000e0001" * 30_000
    event = request(f'{{"{name}": 1, "{name}": 2}}', content_type="application/json")
    assert place_order.handler.using(database)(event, None)["statusCode"] == 400
    (line,) = lines()
    assert len(json.dumps(line)) < 256_000
    error = ValueError("x" * 300_000)
    assert (
        len(
            observability.format_log_line(
                "failed", COUNT, exception=observability.format_traceback(error)
            )
        )
        < 256_000
    )


def test_what_no_encoding_can_write_is_written_all_the_same(lines: Callable[[], Lines]) -> None:
    observability.log_event("failed", COUNT, exception="half of a pair: \ud800")
    assert lines()[0]["exception"] == "half of a pair: \ud800"


def test_a_field_does_not_take_the_place_of_what_every_line_has(
    lines: Callable[[], Lines],
) -> None:
    observability.log_event("said", COUNT, service="another", timestamp=0, Counted=5, other="kept")
    (line,) = lines()
    assert metrics_of(line) == {"Counted": 1}
    assert (line["message"], line["other"]) == ("said", "kept")
    assert line["service"] == function_stem()
    assert line["timestamp"] != 0


class FailingDatabase(Database):
    """Makes the answer ready, and then does not write."""

    failure: Exception | None = None

    def rows_meanwhile(self, statement: str, parameters: Any, meanwhile: Any) -> Any:  # noqa: ANN401 - as its base
        if self.failure is not None and statement == store.APPEND:
            meanwhile()
            raise self.failure
        return super().rows_meanwhile(statement, parameters, meanwhile)


def test_what_is_not_written_is_not_said_to_be(
    databases: Databases, lines: Callable[[], Lines]
) -> None:
    conninfo = databases.conninfo("write", "ordering_command")
    database = FailingDatabase(conninfo, "none", "test")
    order_id = placed(database)
    lines()
    database.failure = RuntimeError("a bug")
    event = request(path={"order_id": order_id})
    assert confirm_order.handler.using(database)(event, None)["statusCode"] == 500
    (line,) = lines()
    assert metrics_of(line) == {"CommandFailed": 1}
    assert (line["level"], line["message"]) == ("ERROR", "failed")
    assert "RuntimeError: a bug" in line["exception"]


def test_a_query_leaves_a_line_too(databases: Databases, lines: Callable[[], Lines]) -> None:
    database = databases.open("read", "ordering_query")
    path = {"order_id": "01900000-0000-7000-8000-000000000000"}
    assert get_order.handler.using(database)(request(path=path), None)["statusCode"] == 404
    (line,) = lines()
    assert metrics_of(line) == {"QueryRefused": 1}


def test_a_database_that_is_not_there_is_a_warning(lines: Callable[[], Lines]) -> None:
    nowhere = Database("host=127.0.0.1 port=1 dbname=ordering user=x", "none", "test")
    assert place_order.handler.using(nowhere)(request(an_order()), None)["statusCode"] == 503
    (line,) = lines()
    assert metrics_of(line) == {"CommandFailed": 1}
    assert (line["level"], line["message"]) == ("WARNING", "the database is not available")
    assert "refused" in line["reason"]
