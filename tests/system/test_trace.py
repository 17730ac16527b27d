"""What became of a request, read from the log lines of all parts."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from infra.local.trace import find_steps
from tests.shared import an_order, eventually

if TYPE_CHECKING:
    from tests.running_stack import RunningStack

PROJECTORS = {
    *("order_details", "customer_orders", "order_history", "customer_summary", "sales"),
    *("order_search", "work_queue", "products"),
}


def test_a_command_is_followed_into_every_read_model(stack: RunningStack) -> None:
    trace = uuid.uuid4().hex
    placed = stack.call("POST", "/orders", an_order(), traceparent=f"00-{trace}-{'1' * 16}-01")
    order_id = placed.body["order_id"]
    stack.read(order_id, placed.token)
    logs = stack.state / "logs"

    def parts(wanted: str) -> set[str]:
        return {step.service for step in find_steps(logs, wanted)}

    eventually(lambda: {"place_order", "publish_events", *PROJECTORS} <= parts(trace))
    by_order = find_steps(logs, order_id)
    assert {"place_order", "publish_events", *PROJECTORS} <= {step.service for step in by_order}
    # In the order of their lines. A projector may be done before the relay tells of its batch.
    steps = find_steps(logs, trace)
    assert [step.at for step in steps] == sorted(step.at for step in steps)
    assert next(step for step in steps if step.service == "place_order").ms

    done = stack.run("trace", placed.headers["x-correlation-id"])
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in ("place_order", "publish_events", "order_details"))
    assert "POST /orders" in done.stdout  # of the API's access log, which has that id


def test_an_id_that_nothing_is_about_is_told_so(stack: RunningStack) -> None:
    done = stack.run("trace", "no-such-id")
    assert done.returncode != 0
    assert "no log line is about 'no-such-id'" in done.stdout + done.stderr
