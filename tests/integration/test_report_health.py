"""What report_health measures, and what it says when a database is away."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from operations.report_health import ReportHealth, handler
from ordering.read_side.query import READ_MODELS
from ordering.runtime.postgres import Database, DatabaseUnavailableError
from tests.domain.vocabulary import an_order_was_placed
from tests.integration.commands_on_postgres import placed
from tests.integration.projections import ago, apply, batch, new_order, records_of, watermark

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordering.read_side.operation import ReadModelOperation
    from tests.databases import Databases

Lines = list[dict[str, Any]]


@pytest.fixture
def report(databases: Databases) -> ReadModelOperation[ReportHealth]:
    return handler.using(
        databases.open("write", "ordering_operation"), databases.open("read", "ordering_operation")
    )


def measured(capsys: pytest.CaptureFixture[str], name: str) -> dict[str, float]:
    """Return a metric's values by their read model, or ``""``."""
    lines: Lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    found = {}
    for line in lines:
        (directive,) = line.get("_aws", {"CloudWatchMetrics": [{"Metrics": []}]})[
            "CloudWatchMetrics"
        ]
        if name in {metric["Name"] for metric in directive["Metrics"]}:
            assert ["stage"] in directive["Dimensions"]
            found[line.get("read_model", "")] = line[name]
    return found


def test_the_age_of_each_read_model(
    projector: Database,
    databases: Databases,
    report: ReadModelOperation[ReportHealth],
    capsys: pytest.CaptureFixture[str],
) -> None:
    del databases
    report({}, None)
    assert measured(capsys, "ReadModelAge") == {}  # it is not known: nothing was applied ever
    apply(projector, batch({0: [watermark(ago(40))]}))
    report({}, None)
    ages = measured(capsys, "ReadModelAge")
    assert ages.keys() == set(READ_MODELS)
    assert all(40 <= age < 60 for age in ages.values())


def test_a_parked_order_is_counted(
    projector: Database,
    report: ReadModelOperation[ReportHealth],
    capsys: pytest.CaptureFixture[str],
) -> None:
    record = json.loads(records_of(new_order(), [an_order_was_placed()])[0] or b"")
    record["data"] = {"lines": "none"}
    apply(projector, batch({0: [json.dumps(record).encode()]}))
    answer = report({}, None)
    assert set(measured(capsys, "OrdersParked").values()) == {1}
    assert {each["parked_orders"] for each in answer["read_models"]} == {1}


def test_what_waits_for_the_relay(
    database: Database,
    databases: Databases,
    report: ReadModelOperation[ReportHealth],
    capsys: pytest.CaptureFixture[str],
) -> None:
    owner = databases.owner("write")
    owner.rows("delete from outbox")
    assert report({}, None)["outbox"] == {"events": 0, "oldest_seconds": 0}
    placed(database)
    owner.rows("update order_events set recorded_at = now() - interval '90 seconds'")
    placed(database)
    capsys.readouterr()
    report({}, None)
    output = capsys.readouterr().out
    line: Mapping[str, Any] = next(
        line for line in map(json.loads, output.splitlines()) if "OutboxOldest" in line
    )
    assert line["OutboxEvents"] == 2
    assert 90 <= line["OutboxOldest"] < 100


def test_one_database_that_is_away_hides_nothing_of_the_other(
    databases: Databases, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = Database("host=127.0.0.1 port=1 dbname=ordering user=u", "none", "test")
    write = databases.open("write", "ordering_operation")
    with pytest.raises(DatabaseUnavailableError):
        handler.using(write, nowhere)({}, None)
    assert measured(capsys, "OutboxOldest")
    read = databases.open("read", "ordering_operation")
    with pytest.raises(DatabaseUnavailableError):
        handler.using(nowhere, read)({}, None)
    assert measured(capsys, "OrdersParked")
