"""The API does what its OpenAPI document says, whatever it is sent."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from openapi_spec_validator import validate

from tests.running_stack import ROOT, leave_to_apache
from tests.shared import an_order

if TYPE_CHECKING:
    from tests.running_stack import Answer, RunningStack

DOCUMENT = ROOT / "docs" / "api" / "openapi.json"
EXAMPLES = int(os.environ.get("API_EXAMPLES", "27"))
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_headers_conformance,response_schema_conformance,negative_data_rejection,ignored_auth"
)


def orders_in_several_states(stack: RunningStack) -> list[str]:
    """Lead orders of 3 units for 29.97 on to different points of their lives."""
    money = {"amount": "29.97", "currency": "EUR"}
    items = [{"line_id": 1, "quantity": 3}]
    returned = [{"line_id": 1, "quantity": 1, "reason": "broken"}]
    way: list[tuple[str, object]] = [
        ("confirm", None),
        ("payments", {"payment_id": "pay-1", "method": "card", "amount": money}),
        ("payments/pay-1/capture", {}),
        ("fulfilment", {}),
        ("shipments", {"shipment_id": "ship-1", "carrier": "DHL", "items": items}),
        ("shipments/ship-1/deliver", {}),
        ("returns", {"return_id": "return-1", "items": returned}),
        ("returns/return-1/approve", None),
        ("returns/return-1/receive", {}),
    ]
    orders = []
    for steps in range(len(way) + 1):
        order = stack.place().body["order_id"]
        for path, body in way[:steps]:
            answer = stack.call("POST", f"/orders/{order}/{path}", body)
            assert answer.status == 200, answer
        orders.append(order)
    return orders


@pytest.mark.system
def test_no_answer_is_outside_the_document(
    stack: RunningStack, capsys: pytest.CaptureFixture[str]
) -> None:
    leave_to_apache(stack)
    validate(json.loads(DOCUMENT.read_text()))
    environment = {
        **os.environ,
        "ORDERS": json.dumps(orders_in_several_states(stack)),
        "SCHEMATHESIS_HOOKS": "tests.system.api_hooks",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", str(DOCUMENT)),
            f"--url={stack.url}",
            f"--header=Authorization: Bearer {stack.jwt()}",
            f"--checks={CHECKS}",
            f"--max-examples={EXAMPLES}",
            "--phases=examples,coverage,fuzzing",
            "--seed=1",
            "--generation-database=none",
            "--rate-limit=auto",
            "--continue-on-failure",
            "--no-color",
        ],
        env=environment,
        cwd=stack.state,
        capture_output=True,
        text=True,
        check=False,
    )
    cases = re.search(r"(\d+) generated", done.stdout)
    with capsys.disabled():
        print(f"\n{cases[0] if cases else 'no'} requests to the API")  # noqa: T201 - the count
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    assert cases is not None
    assert int(cases[1]) > EXAMPLES * 20


OF_THE_CONNECTION = {"content-length", "content-type", "date", "server", "apigw-requestid"}
"""Headers of HTTP and of API Gateway, on whatever answer."""


def headers_that_differ(answer: Answer, operation: str) -> set[str]:
    """Name the headers that were sent and not declared, and those that were declared as certain."""
    document = json.loads(DOCUMENT.read_text())
    (described,) = (
        about
        for methods in document["paths"].values()
        for about in methods.values()
        if about["operationId"] == operation
    )
    references = described["responses"][str(answer.status)]["headers"]
    declared = {
        name.lower(): document["components"]["headers"][about["$ref"].rpartition("/")[2]]
        for name, about in references.items()
    }
    certain = {name for name, about in declared.items() if about.get("required")}
    sent = answer.headers.keys() - OF_THE_CONNECTION
    return (sent - declared.keys()) | (certain - sent)


@pytest.mark.system
def test_each_header_that_is_sent_is_declared(stack: RunningStack) -> None:
    key = f"headers-{os.urandom(8).hex()}"
    placed = stack.call("POST", "/orders", an_order(), idempotency_key=key)
    order = placed.body["order_id"]
    path, nowhere = f"/orders/{order}", "/orders/01900000-0000-7000-8000-000000000000"
    found = stack.read(order, placed.token)
    etag = found.headers["etag"]
    answers = {
        "place_order": [
            placed,
            stack.call("POST", "/orders", an_order(), idempotency_key=key),
            stack.call("POST", "/orders", "{"),
            stack.call("POST", "/orders", "a", content_type="text/plain"),
            stack.call("POST", "/orders", {}),
            stack.call("POST", "/orders", an_order(reference="x" * 300_000)),
            stack.call("POST", "/orders", an_order(), if_match=etag),
        ],
        "get_order": [
            found,
            stack.call("GET", path),
            stack.call("GET", path, if_none_match=etag),
            stack.call("GET", path, consistency_token=etag),
            stack.call("GET", path, authorization="none"),
            stack.call("GET", nowhere),
            stack.call("GET", "/orders/none"),
            stack.call("GET", nowhere, consistency_token=f"{nowhere[8:]}.1"),
        ],
        "cancel_order": [
            stack.call("POST", f"{path}/cancel", {"reason": "r"}, if_match='"9"'),
            stack.call("POST", f"{path}/cancel", {"reason": "r"}, if_match=f'"9", {etag}'),
            stack.call("POST", f"{path}/cancel", {"reason": "r"}),
            stack.call("POST", f"{nowhere}/cancel", {"reason": "r"}),
        ],
        "confirm_order": [stack.call("POST", f"{path}/confirm")],
        "get_read_models": [
            stack.call("GET", "/read-models"),
            stack.call("GET", "/read-models", customer="ALFKI"),
        ],
        "list_customer_orders": [
            stack.call("GET", "/customers/ALFKI/orders?cursor=x"),
            stack.call("GET", "/customers/ALFKI/orders?limit=0"),
            stack.call("GET", "/customers/ALFKI/orders", customer="ANATR"),
        ],
    }
    statuses = {answer.status for of_one in answers.values() for answer in of_one}
    assert statuses == {200, 201, 304, 400, 401, 403, 404, 409, 412, 413, 415, 422, 503}
    for operation, of_one in answers.items():
        for answer in of_one:
            assert not headers_that_differ(answer, operation), (operation, answer)
