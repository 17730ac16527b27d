"""The relay on a real database: nothing lost, each order in version order, one owner per shard."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

import pytest

from commands import cancel_order, confirm_order, place_order
from ordering.delivery import publisher, relay
from ordering.delivery.bus import BusUnavailableError, Delivery
from ordering.delivery.outbox import LEASE_SECONDS, listen
from ordering.delivery.relay import Relay
from ordering.runtime.link import PLANNED_ONCE
from tests.integration.breaking import BreakableDatabase
from tests.integration.requests import body_of, request
from tests.relays import LogLines, Running
from tests.relays import RememberingBus as Bus
from tests.shared import an_order, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ordering.runtime.postgres import Database
    from tests.databases import Databases


PRICE = {"amount": "1.00", "currency": "EUR"}


@pytest.fixture
def owner(databases: Databases) -> Iterator[Database]:
    owner = databases.owner("write")
    owner.rows("delete from outbox")
    free = "update relay_shards set owner = null, expires_at = '-infinity', caught_up_at = null"
    owner.rows(free)
    yield owner
    owner.rows("delete from relay_shards where shard > 0")


@pytest.fixture
def commands(databases: Databases) -> Database:
    return databases.open("write", "ordering_command")


@pytest.fixture
def log(capsys: pytest.CaptureFixture[str]) -> LogLines:
    return LogLines(capsys)


def placed(commands: Database) -> str:
    return str(body_of(place_order.handler.using(commands)(request(an_order()), None))["order_id"])


def changed_twice(commands: Database, order_id: str) -> None:
    path = {"order_id": order_id}
    confirm_order.handler.using(commands)(request(path=path), None)
    cancel_order.handler.using(commands)(request({"reason": "r"}, path=path), None)


def outbox_size(owner: Database) -> int:
    return int(owner.rows("select count(*) from outbox")[0][0])


def test_events_are_published_in_version_order_and_then_forgotten(
    databases: Databases, owner: Database, commands: Database
) -> None:
    bus = Bus()
    orders = [placed(commands) for _ in range(20)]
    for order_id in orders:
        changed_twice(commands, order_id)
    with Running(databases, bus, "a"):
        eventually(lambda: outbox_size(owner) == 0)
    assert len(bus.published) == 60
    for order_id in orders:
        assert bus.versions(order_id) == [1, 2, 3]


def test_what_was_acknowledged_before_a_failure_is_not_repeated(
    databases: Databases, owner: Database, commands: Database
) -> None:
    class FailsAtSecondWave(Bus):
        def publish(self, records: Sequence[tuple[str, bytes]]) -> Delivery:
            if len(self.batches) == 1:
                self.batches.append(0)
                return Delivery(failure=BusUnavailableError("down for a moment"))
            return super().publish(records)

    bus = FailsAtSecondWave()
    orders = [placed(commands) for _ in range(5)]
    for order_id in orders:
        changed_twice(commands, order_id)
    with Running(databases, bus, "a"):
        eventually(lambda: outbox_size(owner) == 0)
    assert bus.batches == [5, 0, 5, 5]
    for order_id in orders:
        assert bus.versions(order_id) == [1, 2, 3]


def test_large_events_are_read_in_portions(
    databases: Databases, owner: Database, commands: Database
) -> None:
    lines = [
        {"sku": "s" * 64, "name": "n" * 200, "quantity": 1, "unit_price": PRICE} for _ in range(500)
    ]
    place = place_order.handler.using(commands)
    for _ in range(30):
        assert place(request(an_order(lines=lines)), None)["statusCode"] == 201
    ((size,),) = owner.rows(
        "select sum(octet_length(data::text)) from outbox join order_events"
        " using (order_id, version)"
    )
    assert size > 5_000_000
    bus = Bus()
    with Running(databases, bus, "a"):
        eventually(lambda: outbox_size(owner) == 0)
    assert sum(bus.batches) == 30
    assert len(bus.batches) > 1


def test_under_load_no_command_notifies(
    databases: Databases, owner: Database, commands: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Longer than a command takes here, however busy the machine is.
    monkeypatch.setattr(relay, "_QUIET_SECONDS", 2.0)
    waiting = "select waiting from relay_shards where shard = 0"
    with Running(databases, Bus(), "a"):
        eventually(lambda: bool(owner.rows(waiting)[0][0]))
        output = []
        for _ in range(60):
            placed(commands)
            output.append(owner.rows(waiting)[0][0])
        # The first ones find it waiting; from then on it looks by itself.
        assert not any(output[20:])
        eventually(lambda: bool(owner.rows(waiting)[0][0]))


def test_an_idle_relay_is_woken_by_a_command(
    databases: Databases, owner: Database, commands: Database
) -> None:
    bus = Bus()
    waiting = "select waiting from relay_shards where shard = 0"
    database = databases.open("write", "ordering_relay", on_connect=listen(0))
    relay = Relay(database, bus, shard=0, owner="a")
    thread = threading.Thread(target=relay.run, args=(time.monotonic() + 4,))
    thread.start()
    eventually(lambda: bool(owner.rows(waiting)[0][0]))
    time.sleep(0.5)  # past the time in which it looks by itself
    for _ in range(3):
        order_id = placed(commands)
        # Far under the two seconds after which it would look by itself.
        eventually(lambda order_id=order_id: bus.versions(order_id) == [1], seconds=1)  # type: ignore[misc] # bound now
    thread.join(10)


def test_while_the_bus_is_down_nothing_is_lost_and_order_is_kept(
    databases: Databases, owner: Database, commands: Database
) -> None:
    bus = Bus()
    bus.down = True
    with Running(databases, bus, "a"):
        order_id = placed(commands)
        changed_twice(commands, order_id)
        time.sleep(0.6)
        assert outbox_size(owner) == 3
        assert bus.watermarks == []
        bus.down = False
        eventually(lambda: outbox_size(owner) == 0)
    assert bus.versions(order_id) == [1, 2, 3]


def test_a_shard_has_one_relay_at_a_time_and_the_standby_takes_over_at_once(
    databases: Databases, owner: Database, commands: Database
) -> None:
    first, second = Bus(), Bus()
    database = databases.open("write", "ordering_relay", on_connect=listen(0))
    active = threading.Thread(
        target=Relay(database, first, shard=0, owner="first").run, args=(time.monotonic() + 1.5,)
    )
    active.start()
    owner_is = "select owner from relay_shards where shard = 0"
    eventually(lambda: owner.rows(owner_is) == [("first",)])
    standby = databases.open("write", "ordering_relay", on_connect=listen(0))
    waiting = threading.Thread(
        target=Relay(standby, second, shard=0, owner="second").run, args=(time.monotonic() + 4,)
    )
    waiting.start()
    before = placed(commands)
    eventually(lambda: first.versions(before) == [1])
    active.join(10)
    ended = time.monotonic()
    eventually(lambda: owner.rows(owner_is) == [("second",)], seconds=LEASE_SECONDS / 2)
    assert time.monotonic() - ended < LEASE_SECONDS / 2
    after = placed(commands)
    eventually(lambda: second.versions(after) == [1])
    waiting.join(10)
    assert second.versions(before) == []


def test_a_dead_relay_is_replaced_when_its_lease_ends(
    databases: Databases, owner: Database, commands: Database
) -> None:
    dead = "update relay_shards set owner = 'dead', expires_at = now() + interval '1 second'"
    owner.rows(dead)
    bus = Bus()
    order_id = placed(commands)
    started = time.monotonic()
    with Running(databases, bus, "a"):
        eventually(lambda: bus.versions(order_id) == [1])
    assert time.monotonic() - started > 0.7


def test_the_watermark_says_since_when_nothing_is_missing(
    databases: Databases, owner: Database, commands: Database
) -> None:
    bus = Bus()
    placed(commands)
    ((acknowledged,),) = owner.rows("select clock_timestamp()")
    with Running(databases, bus, "a"):
        eventually(lambda: bool(bus.watermarks) and bus.watermarks[-1] > acknowledged)
    # Whatever was acknowledged before the watermark was published before it.
    assert outbox_size(owner) == 0
    assert bus.watermarks == sorted(bus.watermarks)


def test_with_two_shards_the_watermark_is_the_older_one(
    databases: Databases, owner: Database, commands: Database
) -> None:
    owner.rows("insert into relay_shards (shard) values (1)")
    orders = [placed(commands) for _ in range(20)]
    shards: dict[int, int] = dict(owner.rows("select shard, count(*) from outbox group by shard"))
    assert set(shards) == {0, 1}
    bus = Bus()
    with Running(databases, bus, "zero", shard=0):
        eventually(lambda: outbox_size(owner) == shards[1])
        time.sleep(0.5)
        assert bus.watermarks == []  # shard 1 has told nothing yet
        other = Bus()
        with Running(databases, other, "one", shard=1):
            eventually(lambda: outbox_size(owner) == 0)
            eventually(lambda: bool(bus.watermarks or other.watermarks))
    assert sorted(k for k, _ in bus.published + other.published) == sorted(orders)


# ── hand-over ────────────────────────────────────────────────────────────────────────────────────

OWNER_IS = "select owner from relay_shards where shard = 0"


def test_a_relay_whose_bus_fails_hands_over_and_repeats_nothing(
    databases: Databases, owner: Database, commands: Database
) -> None:
    failing, healthy = Bus(), Bus()
    failing.fails_after = 3
    with Running(databases, failing, "failing"):
        eventually(lambda: owner.rows(OWNER_IS) == [("failing",)])
        with Running(databases, healthy, "healthy"):
            orders = [placed(commands) for _ in range(5)]
            eventually(lambda: outbox_size(owner) == 0)
            assert owner.rows(OWNER_IS) == [("healthy",)]
    published = sorted(failing.published + healthy.published)
    assert published == sorted((order_id, 1) for order_id in orders)
    assert len(failing.published) == 3


def test_a_relay_whose_bus_does_not_answer_does_not_take_the_shard(
    databases: Databases, owner: Database, log: LogLines
) -> None:
    bus = Bus()
    bus.down = True
    with Running(databases, bus, "a"):
        eventually(lambda: len(log.counting("RelayFailures")) >= 2)
        assert owner.rows(OWNER_IS) == [(None,)]
        bus.down = False
        eventually(lambda: owner.rows(OWNER_IS) == [("a",)])


# ── trouble that passes, foreseen or not ─────────────────────────────────────────────────────────

TROUBLE = {
    "a table is not there": (
        "alter table outbox rename to outbox_away",
        "alter table outbox_away rename to outbox",
    ),
    "the leases are not there": (
        "alter table relay_shards rename to relay_shards_away",
        "alter table relay_shards_away rename to relay_shards",
    ),
    "the schema is not there": (
        "alter schema public rename to public_away",
        "alter schema public_away rename to public",
    ),
    "read-only for new sessions": (
        "alter role ordering_relay set default_transaction_read_only = on",
        "alter role ordering_relay reset default_transaction_read_only",
    ),
    "no connection left for it": (
        "alter role ordering_relay connection limit 0",
        "alter role ordering_relay connection limit -1",
    ),
    "not allowed to connect": (
        "alter role ordering_relay nologin",
        "alter role ordering_relay login",
    ),
    "a grant is missing": (
        "revoke all on outbox from ordering_relay",
        "grant select, delete on outbox to ordering_relay",
    ),
    "a column is not there": (
        "alter table relay_shards rename column waiting to waiting_away",
        "alter table relay_shards rename column waiting_away to waiting",
    ),
}


@pytest.mark.parametrize("trouble", TROUBLE)
def test_both_relays_outlive_trouble_of_the_database(
    databases: Databases,
    owner: Database,
    commands: Database,
    log: LogLines,
    trouble: str,
) -> None:
    begin, end = TROUBLE[trouble]
    superuser = databases.open("write", "postgres")
    bus = Bus()
    with (
        Running(databases, bus, "a") as a,
        Running(databases, bus, "b") as b,
    ):
        eventually(lambda: owner.rows(OWNER_IS) != [(None,)])
        before = placed(commands)
        eventually(lambda: bus.versions(before) == [1])
        with contextlib.ExitStack() as restored:
            superuser.rows(begin)
            restored.callback(superuser.rows, end)
            superuser.rows(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
                " where usename = 'ordering_relay'"
            )
            eventually(lambda: len(log.counting("RelayFailures")) >= 4)
        after = placed(commands)
        eventually(lambda: bus.versions(after) == [1])
        assert a.is_alive
        assert b.is_alive
    assert bus.versions(before) == [1]
    # What was not foreseen is logged with its traceback.
    failures = log.counting("RelayFailures")
    assert all("Traceback" in line["exception"] for line in failures if line["level"] == "ERROR")
    assert all(line["reason"] for line in failures if line["level"] == "WARNING")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("unforeseen"),
        AssertionError("unforeseen"),
        OSError("unforeseen"),
        KeyError("unforeseen"),
        UnicodeDecodeError("utf-8", b"", 0, 1, "unforeseen"),
        MemoryError("unforeseen"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_owner_and_standby_outlive_an_exception_that_nobody_foresaw(
    databases: Databases,
    owner: Database,
    commands: Database,
    log: LogLines,
    error: Exception,
) -> None:
    first, second = Bus(), Bus()
    first.error = second.error = error
    with (
        Running(databases, first, "a") as a,
        Running(databases, second, "b") as b,
    ):
        order_id = placed(commands)
        # Each had the shard, and handed it over.
        eventually(lambda: first.errors_raised > 0 and second.errors_raised > 0)
        first.error = second.error = None
        eventually(lambda: outbox_size(owner) == 0)
        assert a.is_alive
        assert b.is_alive
    assert first.versions(order_id) + second.versions(order_id) == [1]
    failures = log.counting("RelayFailures")
    assert len(failures) == first.errors_raised + second.errors_raised
    assert all("unforeseen" in line["exception"] for line in failures)
    assert all(line["level"] == "ERROR" for line in failures)


def test_a_signal_to_end_ends_the_relay_at_once_and_hands_the_shard_over(
    databases: Databases, owner: Database, commands: Database
) -> None:
    bus = Bus()
    bus.error = SystemExit(0)
    placed(commands)
    database = databases.open("write", "ordering_relay", on_connect=listen(0))
    with pytest.raises(SystemExit):
        Relay(database, bus, shard=0, owner="a").run(time.monotonic() + 60)
    assert bus.errors_raised == 1
    assert owner.rows(OWNER_IS) == [(None,)]
    assert outbox_size(owner) == 1


# ── a clock that was set back ────────────────────────────────────────────────────────────────────


def test_a_lease_that_ends_later_than_any_can_is_no_lease(
    databases: Databases, owner: Database, commands: Database
) -> None:
    # Taken by a relay that died before the clock was set back by an hour.
    owner.rows(
        "update relay_shards set owner = 'dead', expires_at = now() + interval '1 hour',"
        " caught_up_at = now() + interval '1 hour'"
    )
    bus = Bus()
    order_id = placed(commands)
    with Running(databases, bus, "a"):
        eventually(lambda: bus.versions(order_id) == [1], seconds=LEASE_SECONDS)
        eventually(lambda: bool(bus.watermarks))
        ((now,),) = owner.rows("select clock_timestamp()")
        assert max(bus.watermarks) < now
    assert owner.rows("select bool_and(caught_up_at < clock_timestamp()) from relay_shards") == [
        (True,)
    ]


def test_what_another_shard_says_of_the_future_is_no_watermark_and_forgotten(
    databases: Databases, owner: Database
) -> None:
    owner.rows(
        "insert into relay_shards (shard, caught_up_at) values (1, now() + interval '1 hour')"
    )
    other = "select caught_up_at from relay_shards where shard = 1"
    bus = Bus()
    with Running(databases, bus, "zero", shard=0):
        eventually(lambda: owner.rows(other) == [(None,)])
        assert bus.watermarks == []
        with Running(databases, Bus(), "one", shard=1):
            eventually(lambda: bool(bus.watermarks))
            ((now,),) = owner.rows("select clock_timestamp()")
            assert max(bus.watermarks) < now


def test_the_outbox_has_no_negative_age(
    databases: Databases,
    owner: Database,
    commands: Database,
    log: LogLines,
) -> None:
    order_id = placed(commands)
    owner.rows(
        "update order_events set recorded_at = now() + interval '1 hour' where order_id = %(id)s",
        {"id": order_id},
    )
    with Running(databases, Bus(), "a"):
        eventually(lambda: outbox_size(owner) == 0)
    (line,) = log.counting("OutboxAge")
    assert line["OutboxAge"] in (0, [0], 0.0, [0.0])


# ── events that Kafka refuses ────────────────────────────────────────────────────────────────────


@pytest.fixture
def retried_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "RETRY_SECONDS", 0.3)


def test_an_order_whose_event_is_refused_waits_and_all_others_flow(
    databases: Databases,
    owner: Database,
    commands: Database,
    log: LogLines,
) -> None:
    bus = Bus()
    orders = [placed(commands) for _ in range(5)]
    for order_id in orders:
        changed_twice(commands, order_id)
    guilty = orders[2]
    bus.refused_orders = {guilty}
    with Running(databases, bus, "a"):
        eventually(lambda: outbox_size(owner) == 3)
        eventually(lambda: bool(bus.withheld))
        later = placed(commands)
        changed_twice(commands, guilty)  # refused by the rules: it is cancelled already
        eventually(lambda: bus.versions(later) == [1])
    assert bus.refusals == [(guilty, 1)]
    assert bus.versions(guilty) == []
    for order_id in orders:
        assert order_id == guilty or bus.versions(order_id) == [1, 2, 3]
    assert set(bus.withheld) == {1}
    (line,) = log.counting("EventsRefused")
    assert (line["level"], line["order_id"], line["version"]) == ("ERROR", guilty, 1)
    assert (line["reason"], line["bytes"] > 1000) == ("too large", True)
    left = owner.rows("select order_id::text, version from outbox order by seq")
    assert left == [(guilty, version) for version in (1, 2, 3)]


@pytest.mark.usefixtures("retried_soon")
def test_when_it_is_taken_the_order_follows_in_version_order_and_nothing_is_repeated(
    databases: Databases, owner: Database, commands: Database
) -> None:
    bus = Bus()
    orders = [placed(commands) for _ in range(5)]
    for order_id in orders:
        changed_twice(commands, order_id)
    bus.refused_orders = {orders[2]}
    with Running(databases, bus, "a"):
        # Tried again and again, and each time alone.
        eventually(lambda: len(bus.refusals) >= 3)
        assert len(bus.published) == 12
        bus.refused_orders = set()
        eventually(lambda: outbox_size(owner) == 0)
        eventually(lambda: bus.withheld[-1:] == [0])
    for order_id in orders:
        assert bus.versions(order_id) == [1, 2, 3]


@pytest.mark.usefixtures("retried_soon")
def test_many_events_behind_a_refused_one_leave_room_for_other_orders(
    databases: Databases, owner: Database, commands: Database
) -> None:
    bus = Bus()
    guilty = placed(commands)
    owner.rows(
        "with e as (insert into order_events (order_id, version, type, schema_version, data,"
        " metadata) select %(id)s, n, 'NoteAdded', 1, '{}', '{}' from generate_series(2, 1200)"
        " as n returning order_id, version)"
        " insert into outbox (shard, order_id, version)"
        " select 0, order_id, version from e order by version",
        {"id": guilty},
    )
    bus.refused_orders = {guilty}
    with Running(databases, bus, "a"):
        eventually(lambda: len(bus.refusals) >= 2)
        others = [placed(commands) for _ in range(5)]
        eventually(lambda: outbox_size(owner) == 1200)
        eventually(lambda: bus.withheld[-1:] == [1])
        bus.refused_orders = set()
        eventually(lambda: outbox_size(owner) == 0)
    assert bus.versions(guilty) == list(range(1, 1201))
    assert [bus.versions(order_id) for order_id in others] == [[1]] * 5


def test_with_an_order_withheld_the_relay_sleeps_until_it_is_notified(
    databases: Databases, owner: Database, commands: Database
) -> None:
    bus = Bus()
    bus.refused_orders = {placed(commands)}
    database = BreakableDatabase(databases.conninfo("write", "ordering_relay"), listen(0))
    relay = Relay(database, bus, shard=0, owner="a")
    thread = threading.Thread(target=relay.run, args=(time.monotonic() + 4,))
    thread.start()
    waiting = "select waiting from relay_shards where shard = 0"
    eventually(lambda: bool(bus.withheld) and bool(owner.rows(waiting)[0][0]))
    before = database.statement
    eventually(lambda: len(bus.withheld) >= 2)
    # A look every two milliseconds for a fifth of a second, at most, and then a watermark's.
    assert database.statement - before < 150
    thread.join(10)
    database.close()


def test_the_next_owner_finds_out_by_one_try(
    databases: Databases, owner: Database, commands: Database
) -> None:
    first, second = Bus(), Bus()
    first.refused_orders = second.refused_orders = {placed(commands)}
    with Running(databases, first, "first"):
        eventually(lambda: bool(first.withheld))
        owner.rows("update relay_shards set owner = null")
        with Running(databases, second, "second"):
            order_id = placed(commands)
            eventually(lambda: outbox_size(owner) == 1)
            eventually(lambda: bool(second.withheld) or len(first.refusals) > 1)
            # Counted before the second ends: the first, if it owns the shard then, tries once more.
            assert len(first.refusals) + len(second.refusals) == 2
    assert first.versions(order_id) + second.versions(order_id) == [1]
    assert all(withheld == 1 for withheld in first.withheld + second.withheld)


@pytest.mark.usefixtures("retried_soon")
def test_an_order_whose_events_are_gone_is_not_counted_any_more(
    databases: Databases, owner: Database, commands: Database
) -> None:
    bus = Bus()
    bus.refused_orders = {placed(commands)}
    with Running(databases, bus, "a"):
        eventually(lambda: bus.withheld[-1:] == [1])
        owner.rows("delete from outbox")
        eventually(lambda: bus.withheld[-1:] == [0])


def test_refused_and_then_unavailable_hands_over_with_what_is_known(
    databases: Databases, owner: Database, commands: Database
) -> None:
    bus = Bus()
    orders = [placed(commands) for _ in range(4)]
    bus.refused_orders = {orders[0]}
    bus.fails_after = 2
    healthy = Bus()
    with Running(databases, bus, "a"):
        eventually(lambda: len(bus.published) == 2 and outbox_size(owner) == 2)
        with Running(databases, healthy, "b"):
            eventually(lambda: outbox_size(owner) == 0)
    assert bus.refusals == [(orders[0], 1)]
    assert sorted(healthy.published) == sorted([(orders[0], 1), (orders[3], 1)])


SELDOM = 60.0
"""Longer than a test: nothing is found because it was time for a watermark."""


def is_waiting(owner: Database) -> bool:
    ((waiting,),) = owner.rows("select waiting from relay_shards where shard = 0")
    return bool(waiting)


def test_an_idle_relay_is_woken_by_the_command(
    databases: Databases, owner: Database, commands: Database, log: LogLines
) -> None:
    bus = Bus()
    with Running(databases, bus, "a", watermark_seconds=SELDOM):
        eventually(lambda: is_waiting(owner))
        time.sleep(0.3)  # until it sleeps
        order_id = placed(commands)
        eventually(lambda: bus.versions(order_id) == [1])
    assert not log.counting("RelaysPolling")


def test_a_relay_that_hears_no_notifications_looks(
    databases: Databases, owner: Database, commands: Database, log: LogLines
) -> None:
    """As behind a proxy, which gives each statement the connection that is free."""
    bus = Bus()
    with Running(databases, bus, "a", on_connect=PLANNED_ONCE, watermark_seconds=SELDOM):
        eventually(lambda: len(bus.watermarks) == 1)
        for _ in range(3):
            time.sleep(0.2)
            order_id = placed(commands)
            eventually(lambda: bus.versions(order_id) == [1])  # noqa: B023 - it is done at once
            assert not is_waiting(owner)
    assert log.counting("RelaysPolling")
