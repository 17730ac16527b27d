"""The relay on a real database: nothing lost, each order in version order, one owner per shard."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Self

import pytest

from commands import cancel_order, confirm_order, place_order
from ordering.delivery.relay import LEASE_SECONDS, Relay, listen
from ordering.delivery.topic import BusUnavailableError
from tests.integration.requests import body_of, request
from tests.shared import an_order, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from ordering.postgres import Database
    from tests.databases import Databases


PRICE = {"amount": "1.00", "currency": "EUR"}


class Bus:
    """Remembers what was published; fails while ``down``."""

    def __init__(self) -> None:
        self.published: list[tuple[str, int]] = []
        self.watermarks: list[datetime] = []
        self.batches: list[int] = []
        self.down = False

    def publish(self, records: Sequence[tuple[str, bytes]]) -> None:
        if self.down:
            raise BusUnavailableError("down")
        # All that was acknowledged before: no order twice in what goes out at once.
        assert len({key for key, _ in records}) == len(records)
        self.batches.append(len(records))
        for key, value in records:
            record = json.loads(value)
            assert record["subject"] == record["partitionkey"] == key
            self.published.append((key, int(record["sequence"])))

    def publish_watermark(self, as_of: datetime) -> None:
        if self.down:
            raise BusUnavailableError("down")
        self.watermarks.append(as_of)

    def versions(self, order_id: str) -> list[int]:
        return [version for key, version in self.published if key == order_id]


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


def placed(commands: Database) -> str:
    return str(body_of(place_order.handler.using(commands)(request(an_order()), None))["order_id"])


def changed_twice(commands: Database, order_id: str) -> None:
    path = {"order_id": order_id}
    confirm_order.handler.using(commands)(request(path=path), None)
    cancel_order.handler.using(commands)(request({"reason": "r"}, path=path), None)


class Running:
    """A relay in a thread of its own, stopped at the end of its ``with``."""

    def __init__(self, databases: Databases, bus: Bus, name: str, shard: int = 0) -> None:
        database = databases.open("write", "ordering_relay", on_connect=listen(shard))
        self.relay = Relay(database, bus, shard=shard, owner=name)
        self._stop_at = time.monotonic() + 60
        self._thread = threading.Thread(target=self._run)
        self._stopped = threading.Event()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self.relay.run(time.monotonic() + 0.8)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(10)
        assert not self._thread.is_alive()


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
        def publish(self, records: Sequence[tuple[str, bytes]]) -> None:
            if len(self.batches) == 1:
                self.batches.append(0)
                raise BusUnavailableError("down for a moment")
            super().publish(records)

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
    databases: Databases, owner: Database, commands: Database
) -> None:
    waiting = "select waiting from relay_shards where shard = 0"
    with Running(databases, Bus(), "a"):
        eventually(lambda: bool(owner.rows(waiting)[0][0]))
        said = []
        for _ in range(60):
            placed(commands)
            said.append(owner.rows(waiting)[0][0])
        # The first ones find it waiting; from then on it looks by itself.
        assert not any(said[20:])
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
