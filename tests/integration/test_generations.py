"""Read models filled from the log, switched to, switched back from, and dropped."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import psycopg2
import pytest

from ordering.delivery.envelope import write_watermark
from ordering.read_side.filling import Filler
from ordering.read_side.folding import ReadModel, Revision
from ordering.read_side.generations import BUILDING, FOLLOWING, LIVE
from ordering.read_side.log import EventLog
from ordering.read_side.operation import OperationError
from ordering.read_side.projection import ProjectorFunction, UnknownRevisionError
from ordering.read_side.query import READ_MODELS
from ordering.read_side.shapes import OneRow
from ordering.read_side.store import ReadModelStore
from ordering.runtime.postgres import Database, DatabaseUnavailableError
from projectors import customer_orders
from queries import get_order, get_order_history, get_read_models
from tests.databases import empty_read_side
from tests.domain.vocabulary import an_order_was_placed
from tests.integration.projections import ago, batch, record_of
from tests.integration.read_side_world import AUDIT, World
from tests.integration.requests import body_of, request

if TYPE_CHECKING:
    from ordering.delivery.published import PublishedEvent
    from ordering.read_side.shapes import Document
    from tests.databases import Databases

MODEL = "customer_orders"


@pytest.mark.parametrize("name", READ_MODELS)
def test_a_generation_is_filled_from_the_log_alone(world: World, name: str) -> None:
    ((began,),) = world.operate("rebuild", read_model=name, **AUDIT).values()
    assert (began["state"], began["is_ready"], began["orders_filled"]) == (BUILDING, True, 120)
    assert began["seconds_left"] == 0
    assert world.check(name, began["generation"]) >= 120
    switched = world.operate("switch", read_model=name, **AUDIT)
    assert (switched["before"], switched["generation"]) == (1, 2)
    assert dict(world.generations(name)) == {1: FOLLOWING, 2: LIVE}
    assert world.operate("verify", read_model=name)["differing"] == 0


def test_a_new_read_model_is_filled_and_served_by_itself(world: World, queries: Database) -> None:
    """As when a migration has begun its first generation, on a system with orders."""
    name = "order_history"
    world.read.rows(
        "update generations set state = 'building', filled_at = null where "
        "read_model = 'order_history'"
    )
    order_id = next(iter(world.history))
    ask = get_order_history.handler.using(queries)
    answer = ask(request(path={"order_id": order_id}), None)
    assert (answer["statusCode"], body_of(answer)["code"]) == (503, "read-model-behind")
    assert "first time" in body_of(answer)["detail"]
    listed = body_of(get_read_models.handler.using(queries)(request(), None))["items"]
    (item,) = (item for item in listed if item["name"] == name)
    assert (item["generation"], item["building"]["generation"]) == (None, 1)
    world.operate("rebuild")  # as its schedule invokes it
    assert dict(world.generations(name)) == {1: LIVE}
    page = body_of(ask(request(path={"order_id": order_id}, query={"limit": "100"}), None))
    assert len(page["items"]) == len(world.history[order_id])
    world.check(name, 1)


def test_a_fill_goes_on_where_it_was_killed_and_says_how_far_it_is(world: World) -> None:
    world.read.rows("select begin_generation(%(n)s, 1)", {"n": MODEL})
    ticks = iter(range(100))
    filler = world.filler(MODEL, 2, clock=lambda: next(ticks))
    filler._pass_chunk(filler.progress())  # noqa: SLF001 - one chunk of a fill that is killed then
    progress = filler.progress()
    assert (progress.orders_filled, progress.is_filled) == (120, False)
    finished = world.filler(MODEL, 2).run(float("inf"))
    assert (finished.is_filled, finished.orders_filled) == (True, 120)
    assert finished.events_filled == sum(map(len, world.history.values()))


def test_two_fills_at_once_fill_once(world: World) -> None:
    world.read.rows("select begin_generation(%(n)s, 1)", {"n": MODEL})
    other = world.filler(MODEL, 2)
    database = world.models[MODEL].operating
    for statement in range(1, 8):
        world.read.rows("truncate customer_orders_2")
        world.read.rows(
            "update generations set filled_to = null, filled_at = null, orders_filled = 0,"
            " events_filled = 0 where read_model = %(n)s and generation = 2",
            {"n": MODEL},
        )
        database.before[database.in_(statement)] = lambda: (other.run(float("inf")), None)[1]
        progress = world.filler(MODEL, 2, breakable=True).run(float("inf"))
        database.before.clear()
        assert (progress.orders_filled, progress.is_ready) == (120, True), statement
        assert world.check(MODEL, 2) == 120


def test_a_fill_reads_no_more_events_per_second_than_it_may(world: World) -> None:
    world.read.rows("select begin_generation(%(n)s, 1)", {"n": MODEL})
    world.read.rows("update generations set events_per_second = 100 where state = 'building'")
    slept: list[float] = []
    store = ReadModelStore(
        world.databases.open("read", "ordering_operation"), world.models[MODEL].read_model
    )
    Filler(EventLog(world.operating_log), store, 2, clock=lambda: 0.0, sleep=slept.append).run(1.0)
    events = sum(map(len, world.history.values()))
    assert sum(slept) == pytest.approx(events / 100)


def test_without_the_write_database_a_fill_stops_and_nothing_is_lost(world: World) -> None:
    world.read.rows("select begin_generation(%(n)s, 1)", {"n": MODEL})
    nowhere = Database("host=127.0.0.1 port=1 dbname=ordering user=x", "none", "test")
    store = ReadModelStore(
        world.databases.open("read", "ordering_operation"), world.models[MODEL].read_model
    )
    with pytest.raises(DatabaseUnavailableError):
        Filler(EventLog(nowhere), store, 2).run(float("inf"))
    world.filler(MODEL, 2).run(float("inf"))
    assert world.check(MODEL, 2) == 120


def test_a_switch_gives_way_to_a_long_query_and_tries_again(
    world: World, queries: Database
) -> None:
    world.operate("rebuild", read_model="order_details", **AUDIT)
    reader = world.read.session()
    with reader.cursor() as cursor:
        cursor.execute("begin; select count(*) from order_details")
        with pytest.raises(OperationError, match="a query that runs long holds the view"):
            world.operate("switch", read_model="order_details", seconds=0.1, **AUDIT)
        done: list[object] = []
        switching = threading.Thread(
            target=lambda: done.append(
                world.operate("switch", read_model="order_details", seconds=30, **AUDIT)
            )
        )
        switching.start()
        until = time.monotonic() + 2
        answered = 0
        while time.monotonic() < until:
            answer = get_order.handler.using(queries)(
                request(path={"order_id": next(iter(world.history))}), None
            )
            assert answer["statusCode"] in {200, 404}
            answered += 1
        assert not done
        cursor.execute("rollback")
    reader.close()
    switching.join()
    assert done
    assert answered > 10
    assert dict(world.generations("order_details")) == {1: FOLLOWING, 2: LIVE}


def test_one_can_switch_back_and_forth_and_both_go_on_to_be_written(world: World) -> None:
    world.operate("rebuild", read_model=MODEL, **AUDIT)
    world.filler(MODEL, 1).run(float("inf"))
    world.read.rows(
        "insert into orders_behind (read_model, generation, order_id, reason)"
        " select %(n)s, 1, id::uuid, 'the topic was empty' from unnest(%(ids)s) as id",
        {"n": MODEL, "ids": list(world.history)},
    )
    world.operate("switch", read_model=MODEL, **AUDIT)
    for seed, generation in ((6, 1), (7, 2), (8, 1)):
        world.record(20, seed)
        world.deliver_all(MODEL)
        world.operate("switch", read_model=MODEL, generation=generation, **AUDIT)
        for number, _ in world.generations(MODEL):
            world.check(MODEL, number)
    again = world.operate("switch", read_model=MODEL, generation=1, **AUDIT)
    assert (again["before"], again["generation"]) == (1, 1)


def test_a_generation_that_queries_do_not_read_can_be_dropped(world: World) -> None:
    world.operate("rebuild", read_model=MODEL, **AUDIT)
    asked = {"read_model": MODEL, "generation": 1, **AUDIT}
    with pytest.raises(OperationError, match="it is the live one"):
        world.operate("drop_generation", **asked)
    world.operate("switch", read_model=MODEL, **AUDIT)
    assert world.operate("drop_generation", **asked)["was_there"]
    assert not world.operate("drop_generation", **asked)["was_there"]
    world.record(5, 9)
    world.deliver_all(MODEL)
    world.check(MODEL, 2)
    with pytest.raises(OperationError, match="generation: there is no 1"):
        world.operate("switch", **asked)


def newer_fold(document: Document | None, published: PublishedEvent) -> Document:
    """Count an order's events, which the rows of revision 1 do not have."""
    known = {"events": 0} if document is None else {"events": document["events"]}
    return customer_orders.fold(document, published) | {"events": known["events"] + 1}


def test_old_and_new_code_work_beside_each_other(world: World) -> None:
    projector = world.databases.open("read", "ordering_projector")
    old = ProjectorFunction(MODEL, customer_orders.fold, customer_orders.handler.shape)
    first = Revision(customer_orders.fold, customer_orders.handler.shape)
    new = ProjectorFunction(
        MODEL,
        newer_fold,
        OneRow({**customer_orders.handler.shape.columns, "events": "int"}),
        revision=2,
        earlier={1: first},
    )
    empty_read_side(world.read)
    world.write.rows("truncate orders, order_events")
    world.history.clear()
    world.topic = [[] for _ in world.topic]
    world.record(40, 1)
    halves = [len(records) // 2 for records in world.topic]
    old.using(projector)(world.event(dict.fromkeys(range(3), 0), 10**6), None)
    world.read.rows("alter table templates.customer_orders add column events integer")
    try:
        world.read.rows("select begin_generation(%(n)s, 2)", {"n": MODEL})
        world.record(20, 2)
        # Old code, still running, cannot fold the new generation: it notes what it leaves to do.
        tails = world.event(dict(enumerate(halves)), 10**6)
        old.using(projector)(tails, None)
        assert world.read.rows("select count(*) > 0 from orders_behind") == [(True,)]
        store = ReadModelStore(world.databases.open("read", "ordering_operation"), new.read_model)
        filler = Filler(EventLog(world.operating_log), store, 2)
        assert filler.run(float("inf")).is_ready
        world.record(20, 3)
        ends = [0, 0, 0]
        new.using(projector)(world.event(dict(enumerate(ends)), 10**6), None)
        world.read.rows("select switch_generation(%(n)s, 2)", {"n": MODEL})
        counted: dict[str, int] = dict(
            world.read.rows("select order_id::text, events from customer_orders")
        )
        assert counted == {i: len(events) for i, events in world.history.items()}
        world.check(MODEL, 1)
        # What old code cannot apply to the live generation comes again, for new code.
        with pytest.raises(UnknownRevisionError, match="revision 2"):
            old.using(projector)(world.event(dict(enumerate(ends)), 10), None)
    finally:
        world.read.rows("alter table templates.customer_orders drop column events")
        if dict(world.generations(MODEL)).get(2) == LIVE:
            world.read.rows("select switch_generation(%(n)s, 1)", {"n": MODEL})
        world.read.rows("select drop_generation(%(n)s, 2)", {"n": MODEL})


def test_after_the_write_side_was_restored_a_new_generation_is_right_and_has_an_age(
    world: World, queries: Database
) -> None:
    """The log forgot an order's later events, and others have their versions now."""
    world.operate("rebuild", read_model=MODEL, **AUDIT)
    world.operate("switch", read_model=MODEL, **AUDIT)
    lost = (i for i, events in list(world.history.items()) if len(events) > 3)
    order_id = next(lost)
    vanished = next(lost)
    world.write.rows(
        "delete from order_events where order_id = %(id)s and version > 1", {"id": order_id}
    )
    world.write.rows("delete from order_events where order_id = %(id)s", {"id": vanished})
    world.write.rows("delete from orders where order_id = %(id)s", {"id": vanished})
    del world.history[vanished]
    world.history[order_id] = world.history[order_id][:1]
    world._fresh.clear()  # noqa: SLF001 - history was changed
    handler = customer_orders.handler.using(world.databases.open("read", "ordering_projector"))
    offsets = world.models[MODEL].offsets
    again = record_of(order_id, 2, an_order_was_placed(), ago(1))
    marks = {n: [write_watermark(ago(0.5), len(offsets))] for n in range(len(offsets))}
    handler(batch({0: [again]}, offsets[0]), None)
    assert world.read.rows("select gap_reason from watermarks where gap_at is not null") == [
        ("version reused",)
    ]
    ((told,),) = world.operate("rebuild", read_model=MODEL, **AUDIT).values()
    assert told["is_ready"]
    world.operate("switch", read_model=MODEL, **AUDIT)
    world.check(MODEL, 3)
    for partition, values in marks.items():
        handler(batch({partition: [*values]}, offsets[partition] + (partition == 0)), None)
    listed = body_of(get_read_models.handler.using(queries)(request(), None))["items"]
    (item,) = (item for item in listed if item["name"] == MODEL)
    assert item["as_of"] is not None
    # The one before lacks what was lost: one cannot switch back to it.
    with pytest.raises(OperationError, match="lacks records"):
        world.operate("switch", read_model=MODEL, generation=2, seconds=0.1, **AUDIT)


@pytest.mark.parametrize(
    ("operation", "asked", "message"),
    [
        ("rebuild", {"read_model": "nonsense", **AUDIT}, "read_model: there is no 'nonsense'"),
        ("rebuild", {"read_model": MODEL}, "who, reason"),
        ("rebuild", {"read_model": MODEL, "events_per_second": 0, **AUDIT}, "events_per_second: "),
        ("switch", {"read_model": MODEL, **AUDIT}, "generation: none is being built"),
        ("switch", {"read_model": MODEL, "generation": 9, **AUDIT}, "generation: there is no 9"),
        ("switch", {"read_model": MODEL}, "who: "),
        ("switch", {"read_model": MODEL, "who": "", "reason": "r"}, "who: "),
        ("drop_generation", {"read_model": MODEL, "generation": "x", **AUDIT}, "generation: "),
        ("verify", {"generation": 7, "read_model": MODEL}, "generation: customer_orders has no"),
        ("verify", {"sampel": 7}, "sampel: "),
        ("verify", {"after": "x"}, "read_model: "),
        ("repair", {"read_model": MODEL, "order_id": "x", **AUDIT}, "order_id: "),
        ("retry_parked", {**AUDIT}, "order_id, error, all"),
        ("retry_parked", {"order_id": "x", **AUDIT}, "order_id: 'x' is no order id"),
        ("list_parked", {"order_id": "x"}, "order_id: 'x' is no order id"),
        ("discard_parked", {"read_model": MODEL, **AUDIT}, "id: "),
    ],
)
def test_a_wrong_request_is_refused_with_the_field_named(
    world: World, operation: str, asked: dict[str, object], message: str
) -> None:
    with pytest.raises(OperationError, match=f"^{message}"):
        world.operate(operation, **asked)


def test_what_changes_something_is_recorded(world: World) -> None:
    world.operate("rebuild", read_model=MODEL, who="ann", reason="new column")
    world.operate("switch", read_model=MODEL, who="bob", reason="it is right")
    assert world.read.rows("select who, reason, details ->> 'read_model' from operations") == [
        ("ann", "new column", MODEL),
        ("bob", "it is right", MODEL),
    ]


def test_operations_may_not_write_to_the_write_database(databases: Databases) -> None:
    operating = databases.open("write", "ordering_operation")
    for statement in ("delete from order_events", "update orders set status = ''"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            operating.rows(statement)


def test_a_read_model_needs_no_revision_but_its_own() -> None:
    revision = Revision(customer_orders.fold, customer_orders.handler.shape)
    assert ReadModel(MODEL, {1: revision, 3: revision}).newest == 3
