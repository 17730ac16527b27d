"""The HTTP contract on a running stack: what clients do, and what they do wrong."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import pytest

from ordering.read_side.query import READ_MODELS
from tests.running_stack import ROOT, lambda_client, leave_to_apache
from tests.shared import an_order, eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.running_stack import Answer, RunningStack

pytestmark = pytest.mark.system
NO_ORDER = "01900000-0000-7000-8000-000000000000"


def test_a_command_is_visible_to_a_query_that_has_its_token(stack: RunningStack) -> None:
    placed = stack.place(reference="PO 4711")
    order = placed.body["order_id"]
    assert placed.headers["location"] == f"/orders/{order}"
    found = stack.read(order, placed.token)
    assert (found.status, found.body["status"]) == (200, "placed")
    assert found.body["totals"]["total"] == {"amount": "29.97", "currency": "EUR"}
    assert found.body["reference"] == "PO 4711"
    assert found.headers["read-model-stale"] == "?0"
    confirmed = stack.call("POST", f"/orders/{order}/confirm", if_match=found.headers["etag"])
    assert confirmed.status == 200
    cancelled = stack.call("POST", f"/orders/{order}/cancel", {"reason": "ordered twice"})
    assert cancelled.body["events"] == ["OrderCancelled"]
    both = f"{confirmed.token}, {cancelled.token}"
    found = stack.read(order, both)
    assert (found.body["status"], found.headers["etag"]) == ("cancelled", '"3"')
    listed = stack.call("GET", "/customers/ALFKI/orders", consistency_token=both, prefer="wait=20")
    assert {item["order_id"]: item["status"] for item in listed.body["items"]}[order] == "cancelled"


def test_customers_see_and_change_their_own_orders_only(stack: RunningStack) -> None:
    order_of_theirs = an_order(customer_id="ANATR")
    assert stack.call("POST", "/orders", order_of_theirs, customer="ANATR").status == 403
    checkout = stack.jwt(customer="ANATR", scopes=["orders:sell"])
    placed = stack.call("POST", "/orders", order_of_theirs, authorization=f"Bearer {checkout}")
    assert placed.status == 201
    order = placed.body["order_id"]
    assert stack.read(order, placed.token).status == 200
    assert stack.call("GET", f"/orders/{order}", customer="ANATR").status == 200
    for method, path in [
        ("GET", f"/orders/{order}"),
        ("POST", f"/orders/{order}/confirm"),
        ("GET", "/customers/ANATR/orders"),
    ]:
        assert stack.call(method, path, customer="ALFKI").status == 404
    assert stack.call("GET", "/read-models", customer="ALFKI").status == 403
    price = {"amount": "0.01", "currency": "EUR"}
    line = {"sku": "cheap", "quantity": 1, "unit_price": price}
    assert stack.call("POST", f"/orders/{order}/lines", line, customer="ANATR").status == 403


def test_read_models_tell_their_age(stack: RunningStack) -> None:
    stack.place()

    def is_known() -> bool:
        items = stack.call("GET", "/read-models").body["items"]
        return all(item["age_seconds"] is not None for item in items)

    eventually(is_known)
    time.sleep(3)  # a watermark goes out every two seconds
    items = stack.call("GET", "/read-models").body["items"]
    assert {item["name"] for item in items} == {*READ_MODELS}
    assert all(item["age_seconds"] < 10 for item in items)


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        ("{", {}, 400, "malformed-request"),
        ('"text"', {}, 422, "invalid-request"),
        (an_order(surprise=1), {}, 422, "invalid-request"),
        (an_order(lines="none"), {}, 422, "invalid-request"),
        (an_order(reference="x" * 300_000), {}, 413, "request-too-large"),
        ("a=b", {"content_type": "application/x-www-form-urlencoded"}, 415, None),
    ],
)
def test_bad_bodies_get_a_problem_that_says_what_is_wrong(
    stack: RunningStack, body: object, headers: dict[str, str], status: int, code: str | None
) -> None:
    answer = stack.call("POST", "/orders", body, customer=None, authorization=None, **headers)
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.body["code"] == (code or "unsupported-media-type")
    assert answer.body["correlation_id"]
    if code == "invalid-request":
        assert all(error["detail"] for error in answer.body["errors"])


def test_unknown_routes_and_orders_are_404(stack: RunningStack) -> None:
    assert stack.call("GET", "/nothing").status == 404
    assert stack.call("PATCH", "/orders", {}).status == 404
    unknown = stack.call("GET", f"/orders/{NO_ORDER}")
    assert (unknown.status, unknown.body["code"]) == (404, "order-not-found")
    behind = stack.call("GET", f"/orders/{NO_ORDER}", consistency_token=f"{NO_ORDER}.1")
    assert (behind.status, behind.body["code"]) == (503, "read-model-behind")


def test_without_a_valid_token_there_is_no_answer(stack: RunningStack) -> None:
    for authorization in ("none", "Bearer not.a.token", f"Bearer {stack.jwt(ttl_seconds=-60)}"):
        answer = stack.call("GET", "/read-models", authorization=authorization)
        assert answer.status == 401
        assert "www-authenticate" in answer.headers


def test_the_same_key_gives_the_same_answer(stack: RunningStack) -> None:
    key = f"key-{time.time_ns()}"
    first = stack.call("POST", "/orders", an_order(), idempotency_key=key)
    again = stack.call("POST", "/orders", an_order(), idempotency_key=key)
    assert again.body == first.body
    assert again.headers["idempotency-replayed"] == "true"
    other = stack.call("POST", "/orders", an_order(reference="other"), idempotency_key=key)
    assert (other.status, other.body["code"]) == (422, "idempotency-key-reused")


def test_correlation_id_and_trace_go_from_the_request_to_the_projector(
    stack: RunningStack,
) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    correlation = f"test-{time.time_ns()}"
    placed = stack.call(
        "POST", "/orders", an_order(), x_correlation_id=correlation, traceparent=trace
    )
    assert placed.headers["x-correlation-id"] == correlation
    stack.read(placed.body["order_id"], placed.token)
    for part in ("place_order", "publish_events", *READ_MODELS):
        eventually(lambda part=part: correlation in stack.log(part))  # type: ignore[misc] # bound now
    lines = stack.log("order_details").splitlines()
    assert any(correlation in line and trace in line for line in lines)


def test_functions_can_be_invoked_like_on_aws(stack: RunningStack) -> None:
    leave_to_apache(stack)
    client = lambda_client(stack.record.invoke_url)
    for sample in sorted((ROOT / "events").glob("*.json")):
        if sample.stem in ("publish_events", *READ_MODELS):
            continue  # these are busy with the stack's own events; their loops are tested there
        if sample.stem == "prepare_databases":
            continue  # it is there only where the template gets the secrets of master users
        answer = client.invoke(FunctionName=sample.stem, Payload=sample.read_bytes())
        assert "FunctionError" not in answer, (sample, answer["Payload"].read())


def test_a_function_that_crashes_is_a_500_and_the_next_call_works(stack: RunningStack) -> None:
    placed = stack.place()
    stack.read(placed.body["order_id"], placed.token)
    never = f"{placed.body['order_id']}.99"

    answers: list[Answer] = []
    correlation = f"test-{time.time_ns()}"

    def ask() -> None:
        answers.append(
            stack.call(
                "GET",
                f"/orders/{placed.body['order_id']}",
                consistency_token=never,
                prefer="wait=15",
                x_correlation_id=correlation,
            )
        )

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(0.5)
    for process in stack.environments("get_order"):
        process.kill()
    asking.join(20)
    (answer,) = answers
    assert answer.status == 500
    assert answer.headers["x-correlation-id"] == answer.body["correlation_id"] == correlation
    eventually(lambda: correlation in stack.log("runner"))
    assert "signal: killed" in next(
        line for line in stack.log("runner").splitlines() if correlation in line
    )
    assert stack.call("GET", f"/orders/{placed.body['order_id']}").status == 200


def test_the_lines_of_the_readme_work_word_for_word(stack: RunningStack, tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text()
    blocks = re.findall(r"```sh\n(.*?)```", readme, re.DOTALL)
    (curls,) = [block for block in blocks if "curl" in block]
    script = (
        curls.replace("http://127.0.0.1:3000", stack.url)
        .replace("$(make -s token)", stack.jwt())
        .replace("/tmp/", f"{tmp_path}/")  # noqa: S108 - the README's own place
    )
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],  # noqa: S607 - the user's own shell
        capture_output=True,
        text=True,
        check=True,
    )
    statuses = re.findall(r"^HTTP/1.1 (\d+)", done.stdout, re.MULTILINE)
    assert statuses == ["201", "200", "200", "200", "200"], done.stdout
    bodies = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert bodies[2]["order_id"] == bodies[0]["order_id"]
    assert bodies[2]["status"] == "confirmed"
