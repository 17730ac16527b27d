"""A poison event harms only its own order: it is parked, and applied or discarded later."""

from __future__ import annotations

import base64
import json
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ordering.delivery.envelope import write_watermark
from ordering.read_side.operation import OperationError
from ordering.read_side.projection import ProjectorFunction
from ordering.runtime.consistency import token
from projectors import customer_orders, order_details
from queries import get_order
from tests.databases import empty_read_side
from tests.domain.vocabulary import (
    an_order_was_placed,
    it_was_cancelled,
    it_was_confirmed,
    it_was_held,
)
from tests.integration.projections import apply, batch, new_order, record_of
from tests.integration.read_side_world import AUDIT, World
from tests.integration.requests import body_of, customer, request
from tests.shared import write_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ordering.delivery.published import PublishedEvent
    from ordering.read_side.shapes import Document
    from ordering.runtime.postgres import Database
    from tests.databases import Databases

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def world(databases: Databases) -> Iterator[World]:
    world = World(databases)
    yield world
    empty_read_side(world.read)


def with_key(event: dict[str, Any], offset: int, key: str | None) -> dict[str, Any]:
    """Give the record at that offset another key."""
    for records in event["records"].values():
        for record in records:
            if record["offset"] == offset:
                record["key"] = key and base64.b64encode(key.encode()).decode()
    return event


def changed(record: bytes, **attributes: str) -> bytes:
    return json.dumps(json.loads(record) | attributes).encode()


def unknown_type(order_id: str) -> bytes:
    return write_record("OrderTeleported", 1, "{}", order_id=order_id, version=2, at=NOW)


def unfit_data(order_id: str) -> bytes:
    data = '{"reason": 7, "after": {}}'
    return write_record("OrderHeld", 1, data, order_id=order_id, version=2, at=NOW)


def newer_schema(order_id: str) -> bytes:
    return write_record("OrderHeld", 99, "{}", order_id=order_id, version=2, at=NOW)


def version_out_of_range(order_id: str) -> bytes:
    return changed(record_of(order_id, 2, it_was_confirmed()), sequence=str(2**31))


def no_time(order_id: str) -> bytes:
    return changed(record_of(order_id, 2, it_was_confirmed()), time="noon")


def tombstone(order_id: str) -> None:
    del order_id


def garbage(order_id: str) -> bytes:
    del order_id
    return b"\xff\x00{"


def of_another_order(order_id: str) -> bytes:
    del order_id
    return record_of(new_order(), 1, an_order_was_placed())


@pytest.mark.parametrize(
    "poison",
    [
        unknown_type,
        unfit_data,
        newer_schema,
        version_out_of_range,
        no_time,
        tombstone,
        garbage,
        of_another_order,
    ],
)
def test_a_poison_event_in_the_middle_of_a_batch_parks_its_order_only(
    projector: Database, queries: Database, poison: Callable[[str], bytes | None]
) -> None:
    bad, good, elsewhere = new_order(), new_order(), new_order()
    event = batch(
        {
            0: [
                record_of(bad, 1, an_order_was_placed()),
                record_of(good, 1, an_order_was_placed()),
                poison(bad),
                record_of(good, 2, it_was_confirmed()),
                record_of(bad, 3, it_was_held()),
                write_watermark(NOW, 1),
            ],
            1: [record_of(elsewhere, 1, an_order_was_placed())],
        }
    )
    with_key(event, 2, bad)
    for _ in range(2):  # delivered again, it is parked no second time
        assert apply(projector, event) == []
    assert dict(projector.rows("select order_id::text, version from order_details")) == {
        bad: 1,
        good: 2,
        elsewhere: 1,
    }
    assert projector.rows(
        "select record_offset, error is null from parked_events where read_model = 'order_details'"
        " and order_id = %(bad)s order by id",
        {"bad": bad},
    ) == [(2, False), (4, True)]
    answer = get_order.handler.using(queries)(request(path={"order_id": good}), None)
    assert (answer["statusCode"], answer["headers"]["read-model-parked"]) == (200, "1")


def test_an_event_without_a_key_parks_the_order_that_it_names(projector: Database) -> None:
    order_id = new_order()
    event = batch({0: [record_of(order_id, 1, an_order_was_placed())]})
    assert apply(projector, with_key(event, 0, None)) == []
    assert projector.rows("select count(*) from order_details") == [(0,)]
    ((found, error),) = projector.rows(
        "select order_id::text, error from parked_events where read_model = 'order_details'"
    )
    assert (found, "not the id" in error) == (order_id, True)


@pytest.mark.parametrize(
    "refused", [{"status": "a\0b"}, {"placed_at": "soon"}, {"customer_id": None}, {"x": "\ud800"}]
)
def test_what_postgres_refuses_of_one_document_parks_its_order_only(
    projector: Database, refused: Document
) -> None:
    bad = new_order()

    def fold(document: Document | None, published: PublishedEvent) -> Document:
        folded = customer_orders.fold(document, published)
        return folded | refused if published.order_id == bad and published.version > 1 else folded

    function = ProjectorFunction("customer_orders", fold, customer_orders.handler.shape)
    others = [new_order() for _ in range(20)]
    records: list[bytes | None] = [record_of(o, 1, an_order_was_placed()) for o in (bad, *others)]
    assert function.using(projector)(batch({0: records}), None) == {"batchItemFailures": []}
    more: list[bytes | None] = [
        record_of(o, 2, it_was_confirmed()) for o in (*others[:10], bad, *others[10:])
    ]
    more += [record_of(bad, 3, it_was_held()), write_watermark(NOW, 1)]
    event = batch({0: more}, len(records))
    assert function.using(projector)(event, None) == {"batchItemFailures": []}
    assert dict(projector.rows("select order_id::text, version from customer_orders")) == {
        bad: 1,
        **dict.fromkeys(others, 2),
    }
    assert projector.rows("select version, error is null from parked_events order by id") == [
        (2, False),
        (3, True),
    ]
    assert projector.rows("select as_of from watermarks") == [(NOW,)]


def test_a_token_of_a_parked_order_is_answered_at_once(
    projector: Database, queries: Database
) -> None:
    order_id, never_seen = new_order(), new_order()
    event = batch(
        {
            0: [
                record_of(order_id, 1, an_order_was_placed()),
                unknown_type(order_id),
                write_record("Nonsense", 1, "{}", order_id=never_seen, version=1, at=NOW),
            ]
        }
    )
    apply(projector, event)
    asked = request(
        path={"order_id": order_id}, consistency_token=token(order_id, 2), prefer="wait=20"
    )
    began = datetime.now(UTC)
    answer = get_order.handler.using(queries)(asked, None)
    assert (answer["statusCode"], answer["headers"]["read-model-stale"]) == (200, "?1")
    assert answer["headers"]["read-model-parked"] == "2"
    asked = request(
        path={"order_id": never_seen}, consistency_token=token(never_seen, 1), prefer="wait=20"
    )
    answer = get_order.handler.using(queries)(asked, None)
    assert (answer["statusCode"], "is parked" in body_of(answer)["detail"]) == (503, True)
    assert datetime.now(UTC) - began < timedelta(seconds=10)


def test_customers_are_not_told_of_others_parked_orders(
    projector: Database, queries: Database
) -> None:
    theirs = new_order()
    apply(
        projector, batch({0: [record_of(theirs, 1, an_order_was_placed()), unknown_type(theirs)]})
    )
    details = []
    for order_id in (theirs, new_order()):
        asked = request(
            path={"order_id": order_id},
            claims=customer("ANATR"),
            consistency_token=token(order_id, 1),
        )
        answer = get_order.handler.using(queries)(asked, None)
        details.append(body_of(answer)["detail"].replace(order_id, "…"))
    assert details[0] == details[1]


def test_of_one_order_in_a_hundred_poisoned_the_others_are_as_fresh_as_without(
    world: World,
) -> None:
    world.record(400, 7)
    poisoned, sound = world.models["customer_orders"], world.models["order_details"]
    chance = random.Random(7)  # noqa: S311 - the same each time
    for order_id in chance.sample(sorted(world.history), 4):
        version = chance.randint(1, len(world.history[order_id]))
        poisoned.poison.events.add((order_id, version))
    for partition in world.topic:
        partition.append(write_watermark(NOW, len(world.topic)))
    for model in (poisoned, sound):
        world.deliver_all(model.name)
    fresh = world.read.rows(
        "select projection, min(as_of), sum(next_offset) from watermarks group by 1 order by 1"
    )
    assert [row[1:] for row in fresh] == [fresh[0][1:]] * 2
    applied: dict[str, int] = dict(
        world.read.rows("select order_id::text, version from customer_orders")
    )
    harmed = {order_id for order_id, _ in poisoned.poison.events}
    assert all(applied[i] == len(events) for i, events in world.history.items() if i not in harmed)
    listed = world.operate("list_parked", read_model="customer_orders")["orders"]
    assert {each["order_id"] for each in listed} == harmed
    assert all("poison" in each["error"] for each in listed)
    poisoned.poison.events.clear()
    retried = world.operate("retry_parked", all=True, **AUDIT)
    assert (retried["retried"], retried["failures"]) == (4, [])
    assert world.check("customer_orders", 1) == 400
    assert world.operate("retry_parked", all=True, **AUDIT)["retried"] == 0


def poisoned_order(world: World, name: str = "customer_orders") -> tuple[str, int]:
    """Return an order with its poisoned version, not its first, with events behind it."""
    world.record(60, 3)
    order_id = next(i for i, events in world.history.items() if len(events) > 4)
    # Nothing can read it: no cure but to pass over it.
    event = world.history[order_id][2]._replace(event_type="OrderTeleported")
    world.history[order_id][2] = event
    world.write.rows(
        "update order_events set type = 'OrderTeleported' where order_id = %(id)s and version = 3",
        {"id": order_id},
    )
    for partition in world.topic:
        for number, record in enumerate(partition):
            subject, version = json.loads(record)["subject"], json.loads(record)["sequence"]
            if (subject, version) == (order_id, "3"):
                partition[number] = changed(record, type="ordering.order.OrderTeleported.v1")
    world.deliver_all(name)
    return order_id, 3


def test_a_parked_order_is_shown_with_its_events(world: World) -> None:
    order_id, version = poisoned_order(world)
    (listed,) = world.operate("list_parked")["orders"]
    assert (listed["order_id"], listed["waiting"]) == (
        order_id,
        len(world.history[order_id]) - version,
    )
    assert "OrderTeleported" in listed["error"]
    assert datetime.fromisoformat(listed["since"]) <= datetime.now(UTC)
    events = world.operate("list_parked", order_id=order_id)["events"]
    assert len(events) == len(world.history[order_id]) - 2
    assert "OrderTeleported" in events[0]["record"]
    assert [event["error"] is None for event in events[1:]] == [True] * (len(events) - 1)


def test_a_retry_that_fails_again_leaves_the_order_parked_since_when_it_was(world: World) -> None:
    order_id, _ = poisoned_order(world)
    (before,) = world.operate("list_parked")["orders"]
    answer = world.operate("retry_parked", order_id=order_id, **AUDIT)
    assert [each["order_id"] for each in answer["failures"]] == [order_id]
    (after,) = world.operate("list_parked")["orders"]
    assert after["waiting"] == before["waiting"]
    by_error = world.operate("retry_parked", error="OrderTeleported", **AUDIT)
    assert len(by_error["failures"]) == 1
    assert world.operate("retry_parked", error="no such text", **AUDIT)["retried"] == 0


def test_a_discarded_event_is_passed_over_and_what_waited_is_applied(world: World) -> None:
    order_id, version = poisoned_order(world)
    (listed,) = world.operate("list_parked")["orders"]
    waiting = world.operate("list_parked", order_id=order_id)["events"][1]
    with pytest.raises(OperationError, match="waits behind"):
        world.operate("discard_parked", read_model="customer_orders", id=waiting["id"], **AUDIT)
    asked = {"read_model": "customer_orders", "id": listed["id"], **AUDIT}
    assert world.operate("discard_parked", **asked) == {"discarded": True, "failures": {}}
    assert world.operate("discard_parked", **asked) == {"discarded": False, "failures": {}}
    # Delivered once more, it is as applied.
    world.models["customer_orders"].offsets = [0] * len(world.topic)
    world.deliver_all("customer_orders")
    assert world.operate("list_parked")["orders"] == []
    assert world.read.rows(
        "select version from customer_orders where order_id = %(id)s", {"id": order_id}
    ) == [(len(world.history[order_id]),)]
    assert world.read.rows("select order_id::text, version, who, reason from discarded_events") == [
        (order_id, version, "test", "because")
    ]
    assert ("discard", "test") in {
        (details.get("id") == listed["id"] and "discard", who)
        for details, who in world.read.rows("select details, who from operations")
    }
    # A new generation passes over it too, and verify knows.
    world.operate("rebuild", read_model="customer_orders", **AUDIT)
    assert world.operate("verify", read_model="customer_orders", generation=2)["differing"] == 0


def test_the_first_event_of_an_order_cannot_be_discarded(projector: Database, world: World) -> None:
    order_id = new_order()
    record = write_record("OrderPlaced", 2, "{}", order_id=order_id, version=1, at=NOW)
    event = batch({0: [changed(record, sequence="1")]})
    order_details.handler.using(projector)(event, None)
    ((number,),) = projector.rows("select id from parked_events")
    projector.rows("select 1")
    world.read.rows("update parked_events set version = 1")
    with pytest.raises(OperationError, match="first event"):
        world.operate("discard_parked", read_model="order_details", id=number, **AUDIT)


def test_a_record_that_is_nobodys_can_be_discarded(projector: Database, world: World) -> None:
    order_details.handler.using(projector)(batch({0: [b"?"]}), None)
    (listed,) = world.operate("list_parked")["orders"]
    assert listed["order_id"] is None
    asked = {"read_model": "order_details", "id": listed["id"], **AUDIT}
    assert world.operate("discard_parked", **asked)["discarded"]
    assert world.operate("list_parked")["orders"] == []


def test_events_that_come_while_an_order_is_retried_are_not_left_behind(world: World) -> None:
    """Between the statements of a retry, the projector parks one more event of the order."""
    world.record(60, 3)
    model = world.models["customer_orders"]
    order_id = max(world.history, key=lambda i: len(world.history[i]))
    model.poison.events.add((order_id, 2))
    world.deliver_all("customer_orders")
    model.poison.events.clear()
    for statement in range(1, 7):
        model.poison.events.add((order_id, 2))
        world.read.rows("truncate parked_events")
        world.read.rows("delete from customer_orders where order_id = %(id)s", {"id": order_id})
        world.read.rows("update watermarks set next_offset = 0")
        half = [0] * len(model.offsets)
        model.offsets = half
        world.deliver("customer_orders", 40)
        model.poison.events.clear()
        model.operating.before[model.operating.in_(statement)] = lambda: world.deliver_all(
            "customer_orders"
        )
        world.retry(model, order_id)
        model.operating.before.clear()
        world.deliver_all("customer_orders")
        assert world.read.rows("select count(*) from parked_events") == [(0,)], statement
        assert world.check("customer_orders", 1) == 60


def test_an_event_that_cannot_be_applied_is_logged_and_counted(
    projector: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    order_id = new_order()
    event = batch({0: [record_of(order_id, 1, an_order_was_placed()), unknown_type(order_id)]})
    order_details.handler.using(projector)(event, None)
    (line,) = [
        json.loads(line) for line in capsys.readouterr().out.splitlines() if "EventsParked" in line
    ]
    assert (line["order_id"], line["offset"], line["level"]) == (order_id, 1, "ERROR")
    assert "OrderTeleported" in line["exception"]


def test_a_gap_stops_the_partition_and_parks_nothing(projector: Database) -> None:
    order_id = new_order()
    event = batch(
        {
            0: [
                record_of(order_id, 1, an_order_was_placed()),
                record_of(order_id, 3, it_was_cancelled()),
            ]
        }
    )
    assert apply(projector, event) == [("ordering.orders-0", 1)]
    assert projector.rows("select count(*) from parked_events") == [(0,)]
