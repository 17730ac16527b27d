"""A write database that fails over, is restored to an earlier time, or has its clock set back."""

from __future__ import annotations

import json
import os
import shutil
import signal
from typing import TYPE_CHECKING

import pytest

from tests.shared import an_order, eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.running_stack import RunningStack

pytestmark = pytest.mark.faults


def write_data(stack: RunningStack) -> Path:
    return stack.state / "postgres" / "write"


def tell(stack: RunningStack, file: str) -> None:
    """Create a file in the data directory that PostgreSQL looks for, as its owner."""
    directory = write_data(stack)
    path = directory / file
    path.touch()
    owner = directory.stat()
    os.chown(path, owner.st_uid, owner.st_gid)


def has_relayed(stack: RunningStack, text: str) -> bool:
    return text in stack.log("publish_events")


def test_when_a_standby_is_promoted_the_same_relay_goes_on(stack: RunningStack) -> None:
    first = stack.place()
    assert stack.read(first.body["order_id"], first.token).status == 200
    tell(stack, "standby.signal")
    primary = stack.child("write")
    primary.kill()
    primary.wait(10)
    # Hot standby: connections are taken, but LISTEN and every write are refused (SQLSTATE 25006).
    eventually(lambda: has_relayed(stack, "cannot execute LISTEN during recovery"))
    refused = stack.call("POST", "/orders", an_order())
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    # A query reads the other database, and goes on.
    assert stack.call("GET", f"/orders/{first.body['order_id']}").status == 200
    tell(stack, "promote")
    stack.child("write").send_signal(signal.SIGUSR1)
    eventually(lambda: stack.call("POST", "/orders", an_order()).status == 201)
    placed = stack.place()
    assert stack.read(placed.body["order_id"], placed.token).status == 200
    # Not a relay of the next schedule: no invocation has ended by its error.
    runner = stack.log("runner").splitlines()
    assert not [line for line in runner if " ERROR " in line and "publish_events" in line]


def test_a_lease_and_an_as_of_that_lie_in_the_future_are_not_believed(stack: RunningStack) -> None:
    first = stack.place()
    order = first.body["order_id"]
    assert stack.read(order, first.token).status == 200
    # What is left of a relay that died an hour ahead of the clock as it is now.
    with stack.write_database() as cursor:
        cursor.execute(
            "update relay_shards set owner = 'dead', "
            "expires_at = now() + interval '1 hour', caught_up_at = now() + interval '1 hour'"
        )
    eventually(lambda: has_relayed(stack, "lease lost"))
    placed = stack.place()
    assert stack.read(placed.body["order_id"], placed.token).status == 200
    ages = set()

    def set_ahead_and_look() -> bool:
        with stack.read_database() as cursor:
            cursor.execute("update watermarks set as_of = now() + interval '1 hour'")
            assert cursor.rowcount > 0
        is_fresh_again()
        return None in ages

    def is_fresh_again() -> bool:
        answer = stack.call("GET", "/read-models")
        assert answer.status == 200
        of_all = [item["age_seconds"] for item in answer.body["items"]]
        ages.update(of_all)
        return None not in of_all

    # The next watermark, of every two seconds, may come before the look.
    eventually(set_ahead_and_look)
    eventually(is_fresh_again)
    assert all(age is None or age >= 0 for age in ages)
    answer = stack.call("GET", f"/orders/{order}", cache_control="max-age=60")
    assert (answer.status, answer.headers["read-model-stale"]) == (200, "?0")


def test_a_write_side_that_was_restored_makes_no_read_model_fresh_that_is_wrong(
    stack: RunningStack,
) -> None:
    placed = stack.place()
    order = placed.body["order_id"]
    assert stack.read(order, placed.token).status == 200
    data = write_data(stack)
    backup = data.with_name("backup")
    stack.stop()
    shutil.copytree(data, backup, symlinks=True)
    owner = data.stat()
    stack.start()
    lost = stack.call("POST", f"/orders/{order}/notes", {"text": "lost"})
    assert stack.read(order, lost.token).body["version"] == 2
    stack.stop()
    shutil.rmtree(data)
    backup.rename(data)
    for path in (data, *data.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)
    stack.start()
    reused = stack.call("POST", f"/orders/{order}/notes", {"text": "kept"})
    assert reused.token == lost.token
    eventually(lambda: "version reused" in stack.log("order_details"))
    (line, *_) = [
        line
        for line in map(json.loads, stack.log("order_details").splitlines())
        if line.get("reason") == "version reused"
    ]
    assert (line["level"], line["PartitionsWithGap"]) == ("ERROR", 1)
    with stack.read_database() as cursor:
        cursor.execute(
            "select as_of from watermarks where projection = 'order_details' and partition = %s",
            [line["partition"]],
        )
        (as_of,) = cursor.fetchone() or (None,)

    # As of a moment before the reused version: younger than a second at first, and never again.
    def is_too_old() -> bool:
        answer = stack.call("GET", f"/orders/{order}", cache_control="max-age=1", prefer="wait=3")
        return (answer.status, answer.body.get("code")) == (503, "read-model-behind")

    eventually(is_too_old)
    answer = stack.call("GET", "/read-models")
    (item,) = (item for item in answer.body["items"] if item["name"] == "order_details")
    assert as_of.isoformat()[:19] == item["as_of"][:19]
    assert item["age_seconds"] > 3
