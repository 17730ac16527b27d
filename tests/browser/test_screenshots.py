"""Pictures of the order desk for the documentation: `make screenshots` keeps them in docs/desk."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.desk import new_desk
from tests.browser.test_desk_stale import standing_still
from tests.running_stack import ROOT, kafka_kinds
from tests.shared import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

    from tests.running_stack import RunningStack

pytestmark = [
    pytest.mark.system,
    pytest.mark.parametrize("stack", kafka_kinds()[:1], indirect=True),
]
CUSTOMERS = ("ALFKI", "BERGS", "ERNSH", "QUICK", "SAVEA")
PRODUCTS = (
    ("28", "Rössle Sauerkraut", "45.60"),
    ("1", "Chai", "18.00"),
    ("56", "Gnocchi", "38.00"),
)


def some_orders(stack: RunningStack) -> str:
    """Place and lead on some orders; return the id of the last."""
    for number in range(12):
        lines = [
            {
                "sku": sku,
                "name": name,
                "quantity": 1 + (number * at) % 9,
                "unit_price": {"amount": price, "currency": "EUR"},
            }
            for at, (sku, name, price) in enumerate(PRODUCTS, start=1)
        ]
        answer = stack.place(
            customer_id=CUSTOMERS[number % 5], reference=f"SHOP-{1040 + number}", lines=lines
        )
        order_id: str = answer.body["order_id"]
        for step, body in (("confirm", None), ("hold", {"reason": "a question of the customer"})):
            if number % 3 and (step == "confirm" or number % 4 == 0):
                answer = stack.call("POST", f"/orders/{order_id}/{step}", body)
    stack.read(order_id, answer.token)
    return order_id


def test_pictures_of_the_desk(browser: Browser, stack: RunningStack, tmp_path: Path) -> None:
    directory = ROOT / "docs" / "desk" if os.environ.get("SCREENSHOTS") else tmp_path
    directory.mkdir(exist_ok=True)
    order_id = some_orders(stack)
    context, desk = new_desk(browser, stack, viewport={"width": 1120, "height": 720})
    desk.sign_in()

    def shot(name: str) -> None:
        expect(desk.page.locator("[aria-busy=true]")).to_have_count(0)
        desk.page.screenshot(path=directory / f"{name}.png")

    desk.open("orders")
    expect(desk.page.get_by_role("row").nth(5)).to_be_visible()
    shot("orders")
    desk.open("queue/to_pay")
    expect(desk.page.get_by_role("row").nth(1)).to_be_visible()
    shot("queue")
    desk.open_order(order_id)
    with standing_still(stack, "order_details"):
        desk.page.get_by_role("button", name="Add a note").click()
        form = desk.page.get_by_role("form", name="Add a note")
        form.get_by_label("Note").fill("The customer asks for a morning delivery.")
        form.get_by_role("button", name="Add a note").click()
        expect(desk.page.locator(".change")).to_contain_text("is done")
        shot("pending")
    desk.settled()
    with standing_still(stack, "order_details"):
        stack.call("POST", f"/orders/{order_id}/hold", {"reason": "the address is not known"})
        history = f"/orders/{order_id}/history"
        eventually(lambda: len(stack.call("GET", history).body["items"]) == 4)
        desk.page.get_by_role("button", name="Cancel order").click()
        form = desk.page.get_by_role("form", name="Cancel order")
        form.get_by_label("Reason").fill("a mistake")
        form.get_by_role("button", name="Cancel order").click()
        expect(desk.page.get_by_role("alert")).to_contain_text("Order held")
        shot("conflict")
    context.close()
    assert {path.stem for path in directory.glob("*.png")} == {
        "orders",
        "queue",
        "pending",
        "conflict",
    }
