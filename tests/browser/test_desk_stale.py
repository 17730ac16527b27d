"""How the order desk lives with data that is behind, others' changes, and a service away."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.browser.desk import Desk, answering, choose, new_desk
from tests.running_stack import kafka_kinds
from tests.shared import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from tests.running_stack import RunningStack

pytestmark = [
    pytest.mark.system,
    pytest.mark.parametrize("stack", kafka_kinds()[:1], indirect=True),
]
API = re.compile(r".*/(orders|customers|work-queue|sales|read-models)(/.*|\?.*)?$")


@contextlib.contextmanager
def standing_still(stack: RunningStack, read_model: str) -> Iterator[None]:
    """Keep a projector from writing: its batches wait for the read model's lock."""
    with stack.read_database() as cursor:
        cursor.execute("select lock_read_model(%s)", [read_model])
        yield


@pytest.fixture
def order(desk: Desk) -> str:
    """Place an order and open it; return its id."""
    answer = desk.stack.place()
    order_id: str = answer.body["order_id"]
    desk.stack.read(order_id, answer.token)
    desk.open_order(order_id)
    return order_id


def events(stack: RunningStack, order_id: str) -> list[str]:
    """Return what has really happened to an order."""
    with stack.write_database() as cursor:
        cursor.execute(
            "select type from order_events where order_id = %s order by version", [order_id]
        )
        return [event for (event,) in cursor.fetchall()]


def test_a_change_is_pending_until_its_read_model_has_it(desk: Desk, order: str) -> None:
    with standing_still(desk.stack, "order_details"):
        desk.page.get_by_role("button", name="Confirm order").click()
        desk.has_status("Confirmed")
        expect(desk.page.locator(".change")).to_contain_text("is done; the page will have it")
        expect(desk.summary).to_have_class(re.compile("pending"))
        assert events(desk.stack, order)[-1] == "OrderConfirmed"
        expect(desk.summary).to_contain_text("Version1")
    desk.settled()
    expect(desk.summary).not_to_have_class(re.compile("pending"))
    desk.has_status("Confirmed")


def test_a_change_that_is_refused_is_taken_back_with_the_reason(desk: Desk, order: str) -> None:
    body = '{"code": "too-late", "detail": "A parcel is packed.", "status": 409}'
    desk.page.route(
        "**/confirm",
        lambda route: route.fulfill(status=409, content_type="application/problem+json", body=body),
    )
    desk.page.get_by_role("button", name="Confirm order").click()
    alert = desk.page.get_by_role("alert")
    expect(alert).to_contain_text(
        "Confirm order was refused, and is taken back. A parcel is packed."
    )
    desk.has_status("Placed")
    alert.get_by_role("button").click()
    expect(alert).to_have_count(0)
    assert events(desk.stack, order) == ["OrderPlaced"]


def test_on_anothers_change_the_user_decides(desk: Desk, order: str) -> None:
    with standing_still(desk.stack, "order_details"):
        answer = desk.stack.call("POST", f"/orders/{order}/notes", {"text": "from another"})
        assert answer.status == 200
        eventually(
            lambda: len(desk.stack.call("GET", f"/orders/{order}/history").body["items"]) == 2
        )
        desk.page.get_by_role("button", name="Confirm order").click()
        alert = desk.page.get_by_role("alert")
        expect(alert).to_contain_text("the order has changed since you saw it")
        expect(alert.get_by_role("listitem")).to_contain_text("Note added")
        desk.has_status("Placed")
        assert events(desk.stack, order) == ["OrderPlaced", "NoteAdded"]
        alert.get_by_role("button", name="Do it all the same").click()
        expect(alert).to_have_count(0)
    desk.settled()
    desk.has_status("Confirmed")
    assert events(desk.stack, order) == ["OrderPlaced", "NoteAdded", "OrderConfirmed"]


def test_on_anothers_change_it_can_be_left(desk: Desk, order: str) -> None:
    with standing_still(desk.stack, "order_details"):
        desk.stack.call("POST", f"/orders/{order}/hold", {"reason": "stop"})
        desk.page.get_by_role("button", name="Confirm order").click()
        desk.page.get_by_role("alert").get_by_role("button", name="Leave it").click()
    desk.has_status("Held")
    assert events(desk.stack, order) == ["OrderPlaced", "OrderHeld"]


def test_an_order_follows_the_changes_of_others(desk: Desk, order: str) -> None:
    desk.stack.call("POST", f"/orders/{order}/hold", {"reason": "a question"})
    desk.has_status("Held")
    expect(desk.section("Timeline").locator("li").last).to_contain_text("Order held")
    desk.stack.call("POST", f"/orders/{order}/release")
    desk.has_status("Placed")


def test_two_tabs_see_each_others_changes(desk: Desk, order: str) -> None:
    other = Desk(desk.page.context.new_page(), desk.stack)
    other.sign_in()
    other.open_order(order)
    other.do("Confirm order")
    desk.has_status("Confirmed")
    desk.do("Hold", Reason="wait")
    other.has_status("Held")
    assert other.errors == []


def test_what_is_missing_in_an_answer_is_marked(desk: Desk, order: str) -> None:
    with standing_still(desk.stack, "order_search"):
        desk.do("Add a note", Note="new")
        desk.open("orders")
        expect(desk.page.locator(".mark").first).to_have_text("Your last change is not in it yet")
    with desk.stack.read_database() as cursor:
        cursor.execute(
            "insert into parked_events (read_model, generation, order_id, customer_id, version,"
            " partition, record_offset, record, error) select 'order_search', generation, %s, 'X',"
            " 99, 0, 999999999, '', 'test' from generations"
            " where read_model = 'order_search' and state = 'live'",
            [order],
        )
    try:
        desk.open("orders?status=placed")
        expect(desk.page.locator(".mark").filter(has_text="brought up to date")).to_be_visible()
    finally:
        with desk.stack.read_database() as cursor:
            cursor.execute("delete from parked_events where record_offset = 999999999")


def test_a_read_model_that_is_behind_is_marked(desk: Desk, order: str) -> None:
    def older(route: Any) -> None:  # noqa: ANN401 - Playwright's Route
        answer = route.fetch()
        headers = {**answer.headers, "read-model-as-of": "2026-01-01T00:00:00.000000Z"}
        route.fulfill(response=answer, headers=headers)

    desk.page.route("**/orders?**", older)
    desk.page.route("**/orders", older)
    desk.open("orders")
    expect(desk.page.locator(".mark")).to_have_text("The read model is behind")
    expect(desk.page.locator(".age")).to_contain_text("days ago")
    assert order


@pytest.mark.parametrize(
    ("status", "said"), [(503, "cannot be reached now"), (429, "is busy"), (None, "offline")]
)
def test_what_is_known_stays_while_the_service_is_away(
    desk: Desk, order: str, status: int | None, said: str
) -> None:
    context = desk.page.context
    if status is None:
        context.set_offline(True)
    else:
        desk.page.route(API, answering(status, 10**6))
    desk.page.get_by_role("button", name="Add a note").click()
    form = desk.page.get_by_role("form", name="Add a note")
    form.get_by_label("Note").fill("sent while it was away")
    form.get_by_role("button", name="Add a note").click()
    expect(desk.page.locator(".connection").first).to_contain_text(said)
    expect(desk.page.locator(".change")).to_contain_text("is being sent")
    expect(desk.section("Lines")).to_be_visible()
    expect(desk.page.locator(".age").first).to_contain_text("As of")
    if status is None:
        context.set_offline(False)
    else:
        desk.page.unroute(API)
    desk.settled()
    expect(desk.page.locator(".connection").first).to_be_empty()
    assert events(desk.stack, order) == ["OrderPlaced", "NoteAdded"]


def test_a_list_comes_back_by_itself(desk: Desk, order: str) -> None:
    desk.page.route(API, answering(503, 2, **{"retry-after": "0"}))
    desk.open("orders")
    expect(desk.page.locator(".connection").first).to_contain_text("cannot be reached")
    expect(desk.page.get_by_role("row").nth(1)).to_be_visible()
    expect(desk.page.locator(".connection").first).to_be_empty()
    assert order


def test_a_double_click_happens_once(desk: Desk, order: str) -> None:
    desk.page.get_by_role("button", name="Add a note").click()
    form = desk.page.get_by_role("form", name="Add a note")
    form.get_by_label("Note").fill("once")
    form.get_by_role("button", name="Add a note").dblclick()
    desk.settled()
    desk.page.get_by_role("button", name="Confirm order").dblclick(timeout=5_000)
    desk.settled()
    desk.has_status("Confirmed")
    assert events(desk.stack, order) == ["OrderPlaced", "NoteAdded", "OrderConfirmed"]


def test_a_reload_in_the_middle_happens_once(desk: Desk, order: str) -> None:
    def lost(route: Any) -> None:  # noqa: ANN401 - Playwright's Route
        # It is done, and its answer never comes.
        desk.stack.call(
            "POST",
            f"/orders/{order}/notes",
            route.request.post_data,
            idempotency_key=route.request.headers["idempotency-key"],
            if_match=route.request.headers["if-match"],
        )
        route.abort()

    desk.page.route("**/notes", lost)
    desk.page.get_by_role("button", name="Add a note").click()
    form = desk.page.get_by_role("form", name="Add a note")
    form.get_by_label("Note").fill("lost")
    form.get_by_role("button", name="Add a note").click()
    eventually(lambda: len(events(desk.stack, order)) == 2)
    desk.page.unroute("**/notes")
    desk.page.reload()
    expect(desk.section("Notes")).to_contain_text("lost")
    desk.settled()
    assert events(desk.stack, order) == ["OrderPlaced", "NoteAdded"]


def test_when_the_sign_in_ends_nothing_typed_is_lost(desk: Desk, order: str) -> None:
    desk.page.route(API, answering(401, 1))
    desk.page.get_by_role("button", name="Add a note").click()
    form = desk.page.get_by_role("form", name="Add a note")
    form.get_by_label("Note").fill("typed before")
    form.get_by_role("button", name="Add a note").click()
    banner = desk.page.get_by_role("alert").filter(has_text="Your sign-in has ended")
    expect(banner).to_be_visible()
    with desk.page.expect_popup() as opened:
        banner.get_by_role("button", name="Sign in again").click()
    choose(opened.value, "operator")
    expect(banner).to_have_count(0)
    desk.settled()
    expect(desk.section("Notes")).to_contain_text("typed before")
    assert events(desk.stack, order) == ["OrderPlaced", "NoteAdded"]


def test_a_draft_outlives_a_reload(desk: Desk, order: str) -> None:
    desk.page.get_by_role("button", name="Add a note").click()
    desk.page.get_by_role("form", name="Add a note").get_by_label("Note").fill("half a sen")
    desk.page.reload()
    desk.page.get_by_role("button", name="Add a note").click()
    note = desk.page.get_by_role("form", name="Add a note").get_by_label("Note")
    expect(note).to_have_value("half a sen")
    assert order


def test_ones_own_changes_are_in_every_list(browser: Browser, stack: RunningStack) -> None:
    context, desk = new_desk(browser, stack)
    desk.sign_in()
    for number in range(3):
        desk.open("place")
        form = desk.page.get_by_role("form", name="Order")
        form.get_by_label("Customer").fill("SEES-OWN")
        form.get_by_label("Reference").fill(f"MINE-{number}")
        form.get_by_label("SKU").fill("28")
        form.get_by_label("Unit price").fill("1.00")
        address = desk.page.get_by_role("group", name="Shipping address")
        for label in ("Name", "Street", "City"):
            address.get_by_label(label).fill("X")
        address.get_by_label("Country").fill("DE")
        form.get_by_role("button", name="Place order").click()
        desk.has_status("Placed")
        desk.open("orders")
        expect(desk.page.get_by_role("row").nth(1)).to_contain_text(f"MINE-{number}")
        expect(desk.page.locator(".mark")).to_have_count(0)
    context.close()
