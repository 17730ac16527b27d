"""The largest order that the limits allow is accepted, published, projected and read."""

from __future__ import annotations

import json
from functools import reduce
from typing import TYPE_CHECKING

import pytest
from psycopg2.extras import execute_values

from ordering.domain.limits import MAX_ANSWER_BYTES, MAX_EVENT_BYTES
from projectors import order_details
from tests.domain.largest_order import (
    ACTOR,
    NOW,
    ORDER_ID,
    LargestOrder,
    grown_up,
    part_id,
    up_to_its_largest_event,
)

if TYPE_CHECKING:
    from tests.running_stack import Answer, RunningStack

pytestmark = pytest.mark.system

LAMBDA_BYTES = 6 * 1024 * 1024
"""The most that the answer of a function may have."""


def insert(stack: RunningStack, order: LargestOrder, first: int) -> None:
    """Write the order's state, and its events from the ``first`` on with their outbox rows."""
    state = order.placed
    rows = [
        (ORDER_ID, version, type(event.fact).__name__, event.fact.schema_version, event.data())
        for version, event in enumerate(order.events, start=1)
        if version >= first
    ]
    with stack.write_database() as cursor:
        cursor.execute(
            "insert into orders (order_id, version, customer_id, status, state)"
            " values (%s, %s, %s, %s, %s) on conflict (order_id) do update"
            " set version = excluded.version, status = excluded.status, state = excluded.state",
            (
                ORDER_ID,
                len(order.events),
                state.customer_id,
                state.status,
                state.model_dump_json(exclude_defaults=True),
            ),
        )
        execute_values(
            cursor,
            "insert into order_events"
            " (order_id, version, type, schema_version, data, metadata, recorded_at) values %s",
            rows,
            template=cursor.mogrify(
                "(%%s, %%s, %%s, %%s, %%s, %s, %s)", (json.dumps({"actor": ACTOR}), NOW)
            ).decode(),
        )
        cursor.execute(
            "insert into outbox (shard, order_id, version)"
            " select shard_of(order_id), order_id, version from order_events"
            " where order_id = %s and version >= %s order by version",
            (ORDER_ID, first),
        )


def read_what_is_fresh(stack: RunningStack, token: str) -> Answer:
    """Ask as a client does: an answer that says it is stale is no failure; ask again."""
    for _ in range(6):
        answer = stack.read(ORDER_ID, token)
        assert answer.status in (200, 404), answer  # 404: nothing of it is there yet
        if answer.status == 200 and answer.headers["read-model-stale"] == "?0":
            return answer
    raise AssertionError(f"still not projected: {answer.status} {answer.headers}")


def test_the_largest_order_is_published_and_read(stack: RunningStack) -> None:
    order = up_to_its_largest_event()
    insert(stack, order, 1)
    received = stack.call("POST", f"/orders/{ORDER_ID}/returns/{part_id(0)}/receive", {})
    assert received.status == 200, received
    order.accept("receive_return", return_id=part_id(0))
    with stack.write_database() as cursor:
        cursor.execute(
            "select octet_length(data::text) from order_events"
            " where order_id = %s and version = %s",
            (ORDER_ID, len(order.events)),
        )
        ((size,),) = cursor.fetchall()
    assert 0.8 * MAX_EVENT_BYTES < size < 1.15 * MAX_EVENT_BYTES
    read_what_is_fresh(stack, received.token)
    first_later = len(order.events) + 1
    grown_up(order)
    insert(stack, order, first_later)
    read = read_what_is_fresh(stack, f"{ORDER_ID}.{len(order.events)}")
    assert len(json.dumps(read.body, ensure_ascii=False).encode()) > 0.9 * MAX_ANSWER_BYTES
    expected = reduce(order_details.fold, order.published(), None)
    assert expected is not None
    changing = {"updated_at": None, "order_id": None}  # the received return has another time
    assert read.body | changing | {"notes": []} == expected | changing | {"notes": []}
    assert len(read.body["notes"]) == len(expected["notes"])

    # What fits the answer of a Lambda function: its JSON once more as a JSON text.
    seen: list[int] = []
    after: str | None = ""
    while after is not None:
        page = stack.call("GET", f"/orders/{ORDER_ID}/history?limit=100{after}")
        assert page.status == 200, page
        assert len(json.dumps(json.dumps(page.body))) < LAMBDA_BYTES
        seen += [item["version"] for item in page.body["items"]]
        following = page.body["next_cursor"]
        after = following and f"&cursor={following}"
    assert seen == [*range(1, len(order.events) + 1)]
