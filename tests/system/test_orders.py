"""Orders as clients live with them: every command over HTTP, and fifty clients at once."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.running_stack import leave_to_apache
from tests.shared import eventually

if TYPE_CHECKING:
    from tests.running_stack import Answer, RunningStack

pytestmark = pytest.mark.system

CLIENTS = 50


def euros(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "EUR"}


class Order:
    """One order, as an operator's client sees it."""

    def __init__(self, stack: RunningStack, **changes: Any) -> None:  # noqa: ANN401 - any field
        self._stack = stack
        placed = stack.place(**changes)
        self.path = f"/orders/{placed.body['order_id']}"
        self.events: list[str] = placed.body["events"]
        self.token = placed.token

    def does(self, method: str, path: str, body: object = None) -> str:
        """Send a command that has to be accepted; give the order's status after it."""
        answer = self._stack.call(method, self.path + path, body, if_match=f'"{len(self.events)}"')
        assert answer.status == 200, answer
        self.events += answer.body["events"]
        assert answer.body["version"] == len(self.events)
        assert answer.headers["etag"] == f'"{len(self.events)}"'
        self.token = answer.token
        status: str = answer.body["status"]
        return status

    def read(self) -> dict[str, Any]:
        """Return what the query says once it has seen the last command."""
        answer = self._stack.read(self.path.removeprefix("/orders/"), self.token)
        assert (answer.status, answer.headers["read-model-stale"]) == (200, "?0"), answer
        document: dict[str, Any] = answer.body
        assert document["version"] == len(self.events)
        return document


LINE = {"sku": "39", "quantity": 2, "unit_price": euros("18.00"), "tax_rate": "0.19"}
BONN = {"name": "M", "street": "S 2", "city": "Bonn", "country": "DE"}
PARCEL = {"carrier": "DHL", "items": [{"line_id": 1, "quantity": 4}]}
REST = {"carrier": "DHL", "items": [{"line_id": 2, "quantity": 2}]}
BROKEN = {"items": [{"line_id": 2, "quantity": 1, "reason": "it is broken"}]}
LIFE: list[tuple[str, str, object, str]] = [
    ("POST", "/lines", LINE, "placed"),
    ("POST", "/lines", LINE | {"sku": "1"}, "placed"),
    ("PUT", "/lines/1/quantity", {"quantity": 10}, "placed"),
    ("DELETE", "/lines/3", None, "placed"),
    ("PUT", "/coupon", {"code": "TEN", "percent_off": "10"}, "placed"),
    ("DELETE", "/coupon", None, "placed"),
    ("PUT", "/coupon", {"code": "FIVE", "amount_off": euros("5.00")}, "placed"),
    ("PUT", "/shipping-address", {"address": BONN}, "placed"),
    ("POST", "/hold", {"reason": "is that Bonn?"}, "held"),
    ("POST", "/release", None, "placed"),
    ("POST", "/confirm", None, "confirmed"),
    # 99.90 + 36.00 - 5.00, and 19 % of the second line's 36.00 - 1.32: 137.49.
    (
        "POST",
        "/payments",
        {"payment_id": "p-1", "method": "card", "amount": euros("100.00")},
        "confirmed",
    ),
    ("POST", "/payments/p-1/decline", {"reason": "expired"}, "confirmed"),
    (
        "POST",
        "/payments",
        {"payment_id": "p-2", "method": "card", "amount": euros("137.49")},
        "confirmed",
    ),
    ("POST", "/payments/p-2/capture", {"amount": euros("37.49")}, "part_paid"),
    ("POST", "/payments/p-2/capture", None, "paid"),
    ("POST", "/fulfilment", {"warehouse": "BER-1"}, "in_fulfilment"),
    ("POST", "/shipments", PARCEL | {"shipment_id": "s-1"}, "part_shipped"),
    ("POST", "/shipments/s-1/lost", None, "in_fulfilment"),
    ("POST", "/shipments", PARCEL | {"shipment_id": "s-2"}, "part_shipped"),
    ("POST", "/shipments/s-2/deliver", {"signed_by": "M"}, "part_delivered"),
    ("POST", "/lines/1/cancel", {"quantity": 6, "reason": "gone"}, "refund_due"),
    ("POST", "/shipments", REST | {"shipment_id": "s-3"}, "refund_due"),
    ("POST", "/shipments/s-3/deliver", None, "refund_due"),
    ("POST", "/returns", BROKEN | {"return_id": "r-1"}, "refund_due"),
    ("POST", "/returns/r-1/approve", None, "refund_due"),
    ("POST", "/returns/r-1/receive", None, "refund_due"),
    ("POST", "/returns", BROKEN | {"return_id": "r-2"}, "refund_due"),
    ("POST", "/returns/r-2/reject", {"reason": "it was used"}, "refund_due"),
    # What is kept is 4 x 9.99 + 18.00 - 5.00, and 19 % of 18.00 - 1.55: 56.09.
    (
        "POST",
        "/refunds",
        {"refund_id": "f", "payment_id": "p-2", "amount": euros("81.40"), "reason": "as agreed"},
        "part_returned",
    ),
    ("POST", "/complete", None, "completed"),
    ("POST", "/notes", {"text": "a long story"}, "completed"),
]


def test_an_order_goes_through_every_command_but_cancellation(stack: RunningStack) -> None:
    leave_to_apache(stack)
    order = Order(stack)
    assert [order.does(*step[:3]) for step in LIFE] == [step[3] for step in LIFE]
    found = order.read()
    assert found["status"] == "completed"
    assert found["totals"]["total"] == euros("56.09")
    assert (found["balance"]["captured"], found["balance"]["due_back"]) == (
        euros("137.49"),
        euros("0.00"),
    )
    states = [shipment["state"] for shipment in found["shipments"]]
    assert states == ["lost", "delivered", "delivered"]
    assert found["units"]["kept"] == 5
    assert found["shipping_address"]["city"] == "Bonn"
    assert found["notes"][0]["text"] == "a long story"
    assert len(set(order.events)) == 25


def test_a_cancelled_order_gets_its_money_back(stack: RunningStack) -> None:
    order = Order(stack)
    order.does("POST", "/confirm")
    paid = {"payment_id": "p", "method": "card", "amount": euros("29.97")}
    order.does("POST", "/payments", paid)
    order.does("POST", "/payments/p/capture")
    assert order.does("POST", "/cancel", {"reason": "too late"}) == "refund_due"
    refund = {"refund_id": "f", "payment_id": "p", "amount": euros("29.97"), "reason": "cancelled"}
    assert order.does("POST", "/refunds", refund) == "cancelled"
    found = order.read()
    assert (found["status"], found["cancellation_reason"]) == ("cancelled", "too late")
    assert found["totals"]["total"] == euros("0.00")


def test_fifty_clients_on_one_order_all_get_through_once_by_trying_again(
    stack: RunningStack,
) -> None:
    leave_to_apache(stack)
    order = Order(stack)
    ready = threading.Barrier(CLIENTS)
    seen: set[tuple[int, str]] = set()

    keys = [str(uuid.uuid4()) for _ in range(CLIENTS)]

    def note(number: int) -> Answer:
        body = {"text": f"note {number}"}
        return stack.call("POST", f"{order.path}/notes", body, idempotency_key=keys[number])

    def client(number: int) -> Answer:
        answers: list[Answer] = []

        def is_accepted() -> bool:
            answers.append(note(number))
            if answers[-1].status != 200:
                seen.add((answers[-1].status, answers[-1].body["code"]))
            return answers[-1].status == 200

        ready.wait(30)
        eventually(is_accepted)
        return answers[-1]

    with ThreadPoolExecutor(CLIENTS) as clients:
        answers = list(clients.map(client, range(CLIENTS)))

    assert sorted(answer.body["version"] for answer in answers) == list(range(2, CLIENTS + 2))
    assert seen <= {(409, "conflict"), (409, "request-in-progress"), (429, "too-many-requests")}
    for number in (0, CLIENTS // 2, CLIENTS - 1):
        assert note(number).body == answers[number].body
    tokens = ", ".join(answer.token for answer in answers)
    found = stack.read(order.path.removeprefix("/orders/"), tokens)
    assert (found.status, found.body["version"]) == (200, CLIENTS + 1)
    in_order = sorted(range(CLIENTS), key=lambda number: answers[number].body["version"])
    assert [note["text"] for note in found.body["notes"]] == [f"note {n}" for n in in_order]


def test_if_match_over_http_lets_one_of_fifty_clients_win(stack: RunningStack) -> None:
    leave_to_apache(stack)
    order = Order(stack, customer_id="ANATR")

    def client(number: int) -> Answer:
        body = {"text": f"note {number}"}
        while True:
            answer = stack.call("POST", f"{order.path}/notes", body, if_match='"1"')
            if answer.status != 429:
                return answer

    with ThreadPoolExecutor(CLIENTS) as clients:
        answers = list(clients.map(client, range(CLIENTS)))

    assert sorted(answer.status for answer in answers) == [200] + [412] * (CLIENTS - 1)
    lost = {(a.body["code"], a.body["current_version"]) for a in answers if a.status == 412}
    assert lost == {("version-mismatch", 2)}
