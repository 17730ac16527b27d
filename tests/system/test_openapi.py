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

from tests.running_stack import ROOT

if TYPE_CHECKING:
    from tests.running_stack import RunningStack

DOCUMENT = ROOT / "docs" / "api" / "openapi.json"
EXAMPLES = int(os.environ.get("API_EXAMPLES", "60"))
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
    if stack.kafka != "apache":
        pytest.skip("the API is the same whatever carries the events")
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
