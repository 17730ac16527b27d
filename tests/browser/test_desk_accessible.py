"""The order desk for everybody: axe-core finds nothing, in both colour schemes, small and large."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.browser.desk import new_desk
from tests.clients.tools import node_file
from tests.running_stack import kafka_kinds

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.running_stack import RunningStack

pytestmark = [
    pytest.mark.system,
    pytest.mark.parametrize("stack", kafka_kinds()[:1], indirect=True),
]
LOOK = "() => axe.run(document, {resultTypes: ['violations']})"


def violations(page: Page) -> list[str]:
    """Return what axe-core finds wrong with the page as it is now."""
    # The page's policy lets no script in but its own; what is evaluated is not of the page.
    page.evaluate(node_file("axe-core/axe.min.js").read_text())
    found: dict[str, Any] = page.evaluate(LOOK)
    return [
        f"{each['id']}: {node['html'][:150]}"
        for each in found["violations"]
        for node in each["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_barrier(browser: Browser, stack: RunningStack, scheme: str) -> None:
    answer = stack.place(reference="AXE")
    order_id = answer.body["order_id"]
    for step, body in (("confirm", None), ("notes", {"text": "x"}), ("hold", {"reason": "x"})):
        answer = stack.call("POST", f"/orders/{order_id}/{step}", body)
        assert answer.status == 200
    stack.read(order_id, answer.token)
    context, desk = new_desk(browser, stack, color_scheme=scheme, reduced_motion="reduce")
    desk.page.goto(f"{stack.url}/")
    expect(desk.page.get_by_role("heading")).to_be_visible()
    found = {"sign in": violations(desk.page)}
    desk.page.get_by_role("button", name="Sign in").click()
    expect(desk.page.get_by_role("heading", name="Who are you?")).to_be_visible()
    found["issuer"] = violations(desk.page)
    desk.sign_in()
    for page in (
        "orders",
        "place",
        "queue/held",
        "customers",
        "sales",
        "health",
        f"orders/{order_id}",
    ):
        desk.open(page)
        expect(desk.page.locator("[aria-busy=true]")).to_have_count(0)
        desk.page.wait_for_timeout(300)
        found[page] = violations(desk.page)
    for command in ("Add a note", "Authorise a payment", "Cancel order"):
        desk.page.get_by_role("button", name=command, exact=True).click()
        found[command] = violations(desk.page)
        desk.page.get_by_role("button", name="Leave it").click()
    assert {page: each for page, each in found.items() if each} == {}
    context.close()


def test_at_twice_the_size_nothing_is_cut_off(browser: Browser, stack: RunningStack) -> None:
    answer = stack.place()
    stack.read(answer.body["order_id"], answer.token)
    # Zooming to 200 % on a screen of 1,280 pixels leaves 640.
    context, desk = new_desk(
        browser, stack, viewport={"width": 640, "height": 512}, device_scale_factor=2
    )
    desk.sign_in()
    for page in ("orders", "place", "queue", "sales", f"orders/{answer.body['order_id']}"):
        desk.open(page)
        desk.page.wait_for_timeout(200)
        wide, seen = desk.widths()
        assert wide <= seen
    context.close()
