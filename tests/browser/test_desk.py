"""The order desk: every page, every command of an order's life, and whom it shows what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.desk import HOSTILE_TEXT, Desk, KeyboardDesk, choose, new_desk
from tests.running_stack import kafka_kinds
from tests.shared import eventually

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.running_stack import RunningStack

pytestmark = [
    pytest.mark.system,
    pytest.mark.parametrize("stack", kafka_kinds()[:1], indirect=True),
]


def placed(stack: RunningStack, **changes: object) -> str:
    """Place an order that every page will have; return its id."""
    order = stack.place(**changes)
    order_id: str = order.body["order_id"]
    stack.read(order_id, order.token)
    return order_id


@pytest.mark.parametrize("kind", [Desk, KeyboardDesk], ids=["by mouse", "by keyboard"])
def test_an_order_goes_through_its_life(
    browser: Browser, stack: RunningStack, kind: type[Desk]
) -> None:
    context, desk = new_desk(browser, stack, kind)
    desk.sign_in()
    place(desk)
    edit(desk)
    pay(desk)
    ship(desk)
    send_back(desk)
    desk.do("Add a note", Note="All is well.")
    expect(desk.section("Notes")).to_contain_text("All is well.")
    timeline = desk.section("Timeline")
    expect(timeline.locator("li").first).to_contain_text("Order placed")
    expect(timeline.locator("li").last).to_contain_text("Note added")
    context.close()
    assert desk.errors == []


def place(desk: Desk) -> None:
    """Place an order of four units at ten euros."""
    desk.press(desk.page.get_by_role("link", name="Place an order"))
    form = desk.page.get_by_role("form", name="Order")
    desk.fill(form, Customer="DESK", SKU="28", Quantity="4", Unit_price="10.00")
    address = desk.page.get_by_role("group", name="Shipping address")
    desk.fill(address, Name="M", Street="S 1", City="Berlin", Country="DE")
    desk.press(form.get_by_role("button", name="Place order"))
    desk.has_status("Placed")


def edit(desk: Desk) -> None:
    """Carry out every command that there is before an order is confirmed, and confirm it."""
    desk.do("Add a line", SKU="29", Quantity="1", Unit_price="5.00")
    lines = desk.section("Lines")
    expect(lines.locator("tbody tr")).to_have_count(2)
    second = lines.locator("tbody tr").nth(1)
    desk.do("Change quantity", at=second, Quantity="2")
    expect(second.locator("td").nth(1)).to_have_text("2")
    desk.do("Remove line", at=second)
    expect(lines.locator("tbody tr")).to_have_count(1)
    desk.do("Apply a coupon", Code="TEN", Percent_off="10")
    expect(desk.section("Amounts")).to_contain_text("Coupon TEN")
    desk.do("Remove coupon")
    expect(desk.section("Amounts")).not_to_contain_text("Coupon")
    desk.do("Change shipping address", City="Hamburg")
    expect(desk.section("Addresses")).to_contain_text("Hamburg")
    desk.do("Hold", Reason="a question")
    desk.has_status("Held")
    desk.do("Release")
    desk.has_status("Placed")
    desk.do("Confirm order")
    desk.has_status("Confirmed")


def pay(desk: Desk) -> None:
    """Cancel a unit, and pay for the three that are left, at the second try."""
    lines = desk.section("Lines")
    first = lines.locator("tbody tr").first
    desk.do("Cancel units", at=first, Units="1", Reason="too many")
    expect(first.locator("td").nth(2)).to_have_text("1")
    payments = desk.section("Payments")
    desk.do("Authorise a payment", Payment_id="p1")
    desk.do("Decline", at=payments, Reason="no cover")
    expect(payments).to_contain_text("declined")
    desk.do("Authorise a payment", Payment_id="p2")
    desk.do("Capture", at=payments.locator("li").nth(1))
    desk.has_status("Paid")


def ship(desk: Desk) -> None:
    """Ship it twice, since a parcel is lost, and complete it."""
    desk.do("Start fulfilment", Warehouse="north")
    shipments = desk.section("Shipments")
    desk.do("Ship items", Shipment_id="s1", Carrier="DHL")
    desk.has_status("Shipped")
    desk.do("Lost", at=shipments)
    desk.has_status("In fulfilment")
    desk.do("Ship items", Shipment_id="s2", Carrier="DHL", Tracking_number="T1")
    desk.do("Delivered", at=shipments.locator("li").nth(1), Signed_by="M")
    desk.has_status("Delivered")
    desk.do("Complete")
    desk.has_status("Completed")


def send_back(desk: Desk) -> None:
    """Ask for two returns, of which one is rejected, and get the money of the other back."""
    page, returns, payments = desk.page, desk.section("Returns"), desk.section("Payments")
    for number, decision in ((1, "Reject"), (2, "Approve")):
        desk.press(page.get_by_role("button", name="Request a return", exact=True))
        wanted = page.get_by_role("form", name="Request a return")
        desk.fill(wanted, Return_id=f"r{number}")
        desk.write(wanted.get_by_label("28 (of 3)"), "1")
        desk.write(wanted.get_by_label("Reason for 28"), "broken")
        desk.press(wanted.get_by_role("button", name="Request a return"))
        desk.settled()
        reason = {"Reason": "too late"} if decision == "Reject" else {}
        desk.do(decision, at=returns.locator("li").nth(number - 1), **reason)
    desk.do("Received", at=returns.locator("li").nth(1))
    desk.has_status("Refund due")
    desk.do("Refund", at=payments.locator("li").nth(1), Refund_id="f1", Reason="came back")
    desk.has_status("Completed")


def test_an_order_is_cancelled(desk: Desk) -> None:
    desk.open_order(placed(desk.stack))
    desk.do("Cancel order", Reason="a mistake")
    desk.has_status("Cancelled")
    expect(desk.summary.get_by_role("button", name="Cancel order")).to_have_count(0)


def test_the_content_is_one_key_away(desk: Desk) -> None:
    desk.page.keyboard.press("Tab")
    expect(desk.page.get_by_role("link", name="Skip to the content")).to_be_focused()
    desk.page.keyboard.press("Enter")
    expect(desk.page.locator("main")).to_be_focused()
    desk.page.get_by_role("link", name="Work queue").click()
    expect(desk.page.get_by_role("heading", name="Work queue")).to_be_focused()


def test_every_page_shows_what_there_is(desk: Desk) -> None:
    order_id = placed(desk.stack, customer_id="PAGES", reference="PAGES-1")
    confirmed = desk.stack.call("POST", f"/orders/{order_id}/confirm")
    desk.stack.read(order_id, confirmed.token)
    desk.open("orders")
    desk.page.get_by_label("Words").fill("PAGES-1")
    desk.page.get_by_role("button", name="Find").click()
    row = desk.page.get_by_role("row").filter(has_text="PAGES-1")
    expect(row).to_contain_text("Confirmed")
    expect(desk.page.locator(".age").first).to_contain_text("As of")
    row.get_by_role("link").click()
    desk.has_status("Confirmed")
    desk.page.go_back()
    expect(desk.page.get_by_label("Words")).to_have_value("PAGES-1")

    desk.open("queue")
    desk.page.get_by_role("link", name="To pay").click()
    expect(desk.page.get_by_role("row").filter(has_text="PAGES").first).to_be_visible()
    desk.open("customers?q=pages")
    desk.page.get_by_role("link", name="PAGES").first.click()
    expect(desk.page.get_by_role("row").filter(has_text="PAGES-1")).to_be_visible()
    desk.open("sales?by=month")
    expect(desk.page.locator("canvas")).to_be_visible()
    expect(desk.page.locator(".wide table").first).to_contain_text("€")
    desk.open("health")
    expect(desk.page.get_by_role("row")).to_have_count(9)
    desk.open("nowhere")
    expect(desk.page.get_by_role("heading", level=1)).to_have_text("There is no such page")


def test_a_list_goes_on_as_one_comes_near_its_end(desk: Desk) -> None:
    for number in range(45):
        desk.stack.place(customer_id="LONG", reference=f"LONG-{number}")
    found = "/orders?customer_id=LONG&limit=100"
    eventually(lambda: len(desk.stack.call("GET", found).body["items"]) == 45)
    desk.open("orders?customer_id=LONG")
    rows = desk.page.locator("tbody tr")
    expect(rows.first).to_be_visible()
    for _ in range(10):
        if rows.count() == 45:
            break
        desk.page.mouse.wheel(0, 5_000)
        desk.page.wait_for_timeout(300)
    expect(rows).to_have_count(45)
    expect(desk.page.get_by_role("button", name="Show more")).to_have_count(0)


def test_a_customer_sees_and_changes_only_what_is_theirs(
    browser: Browser, stack: RunningStack
) -> None:
    own = placed(stack, customer_id="OWN", reference="OWN-1")
    others = placed(stack, customer_id="OTHER")
    context, desk = new_desk(browser, stack)
    desk.sign_in("customer", "OWN")
    expect(desk.page.get_by_role("navigation").get_by_role("link")).to_have_text(["Orders"])
    desk.page.get_by_role("link", name="OWN-1").click()
    expect(desk.summary.get_by_role("button")).to_have_text(
        ["Confirm order", "Change shipping address", "Cancel order", "Add a note"]
    )
    desk.do("Confirm order")
    desk.has_status("Confirmed")
    desk.open(f"orders/{others}")
    expect(desk.page.get_by_role("alert")).to_be_visible()
    desk.open("queue")
    expect(desk.page.get_by_role("heading", level=1)).to_have_text("There is no such page")
    desk.open_order(own)
    desk.page.get_by_role("button", name="Sign out").click()
    desk.page.get_by_role("button", name="Sign in").click()
    choose(desk.page, "customer", "OTHER")
    expect(desk.page.get_by_role("row").filter(has_text="OWN")).to_have_count(0)
    assert desk.errors == []
    context.close()


def test_what_the_service_says_about_a_field_is_at_the_field(desk: Desk) -> None:
    desk.open_order(placed(desk.stack))
    desk.page.get_by_role("button", name="Add a line").click()
    form = desk.page.get_by_role("form", name="Add a line")
    form.get_by_label("SKU").fill("28")
    form.get_by_label("Quantity").fill("two")
    form.get_by_label("Unit price").fill("1.001")
    form.get_by_role("button", name="Add a line").click()
    wrong = form.get_by_label("Quantity")
    expect(wrong).to_have_attribute("aria-invalid", "true")
    expect(wrong).to_be_focused()
    expect(wrong).to_have_value("two")
    expect(form.get_by_label("Unit price")).to_have_attribute("aria-invalid", "true")
    expect(form.get_by_label("SKU")).not_to_have_attribute("aria-invalid", "true")
    form.get_by_label("Quantity").fill("2")
    form.get_by_label("Unit price").fill("1.00")
    form.get_by_role("button", name="Add a line").click()
    desk.settled()
    expect(desk.section("Lines").locator("tbody tr")).to_have_count(2)

    desk.open("place")
    form = desk.page.get_by_role("form", name="Order")
    form.get_by_label("Currency").fill("XXX")
    form.get_by_role("button", name="Place order").click()
    expect(form.get_by_label("Currency")).to_have_attribute("aria-invalid", "true")
    expect(form.locator(".error").first).to_be_visible()


def test_markup_in_texts_is_text(desk: Desk) -> None:
    hostile = HOSTILE_TEXT
    line = {
        "sku": hostile[:64],
        "name": hostile,
        "quantity": 100_000,  # among what sells best
        "unit_price": {"amount": "1.00", "currency": "EUR"},
    }
    address = {"name": hostile, "street": hostile, "city": hostile, "country": "DE"}
    order_id = placed(
        desk.stack,
        customer_id=hostile[:64],
        reference=hostile,
        lines=[line],
        shipping_address=address,
    )
    path = f"/orders/{order_id}"
    desk.stack.call("POST", f"{path}/confirm")
    desk.stack.call("POST", f"{path}/notes", {"text": hostile})
    desk.stack.call("POST", f"{path}/hold", {"reason": hostile})
    desk.open_order(order_id)
    expect(desk.section("Notes")).to_contain_text(hostile)
    expect(desk.section("Timeline").locator("li").last).to_contain_text("Order held")
    for page in ("orders", "queue/held", "customers", "sales"):
        desk.open(page)
        expect(desk.page.locator("main")).to_contain_text("<img")
    assert desk.page.evaluate("window.hacked") is None


LONG = "ﷺ" + "长" * 100 + "W" * 99
TEXTS = {
    "longest": LONG,
    "right to left": "שלום עולם مرحبا",
    "emoji": "👩‍👩‍👧‍👦🏳️‍🌈 Zoë",
}


@pytest.mark.parametrize(
    ("currency", "price"), [("JPY", "9000000"), ("KWD", "1234567.891"), ("EUR", "9999999.99")]
)
def test_texts_and_amounts_of_every_kind_fit_a_phone(
    browser: Browser, stack: RunningStack, currency: str, price: str
) -> None:
    lines = [
        {
            "sku": f"SKU-{name}",
            "name": text,
            "quantity": 1_000,
            "unit_price": {"amount": price, "currency": currency},
        }
        for name, text in TEXTS.items()
    ]
    address = {"name": LONG, "street": LONG, "city": "שלום", "country": "DE"}
    order_id = placed(
        stack, currency=currency, lines=lines, reference=LONG, shipping_address=address
    )
    context, desk = new_desk(browser, stack, viewport={"width": 360, "height": 740})
    desk.sign_in()
    desk.open_order(order_id)
    for text in TEXTS.values():
        expect(desk.section("Lines")).to_contain_text(text)
    for page in ("orders", "place", "queue", "customers", "sales", "health", f"orders/{order_id}"):
        desk.open(page)
        desk.page.wait_for_timeout(200)
        wide, seen = desk.widths()
        assert wide <= seen, f"{page} is {wide} px wide, of which {seen} are seen"
    assert desk.errors == []
    context.close()


def test_a_customer_with_ten_thousand_orders_is_shown(
    browser: Browser, stack: RunningStack
) -> None:
    order_id = placed(stack, customer_id="MANY")
    with stack.read_database() as cursor:
        cursor.execute(
            "insert into customer_orders_1 (order_id, version, customer_id, placed_at, status,"
            " document, last_event_time) select gen_random_uuid(), 1, customer_id,"
            " placed_at - n * interval '1 second', status, document, last_event_time"
            " from customer_orders_1, generate_series(1, 10000) as n where order_id = %s",
            [order_id],
        )
    try:
        context, desk = new_desk(browser, stack)
        desk.sign_in("customer", "MANY")
        rows = desk.page.locator("tbody tr")
        expect(rows).to_have_count(20)
        for pages in range(2, 6):
            desk.page.mouse.wheel(0, 20_000)
            expect(rows).to_have_count(20 * pages)
        context.close()
    finally:
        with stack.read_database() as cursor:
            cursor.execute(
                "delete from customer_orders_1 where customer_id = 'MANY' and order_id <> %s",
                [order_id],
            )


def test_an_order_of_500_lines_is_shown(desk: Desk) -> None:
    line = {"quantity": 1, "unit_price": {"amount": "1.00", "currency": "EUR"}}
    order_id = placed(desk.stack, lines=[{**line, "sku": f"S{n}"} for n in range(500)])
    desk.open_order(order_id)
    expect(desk.section("Lines").locator("tbody tr")).to_have_count(500)
    desk.do("Add a note", Note="long")
    expect(desk.section("Notes")).to_contain_text("long")


def test_the_first_view_is_small_and_comes_from_one_place(
    browser: Browser, stack: RunningStack
) -> None:
    context, desk = new_desk(browser, stack)
    session = context.new_cdp_session(desk.page)
    session.send("Network.enable")
    received: list[int] = []
    session.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
    hosts: set[str] = set()
    desk.page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    desk.sign_in()
    expect(desk.page.locator(".age").first).to_be_visible()
    assert sum(received) < 100_000
    assert hosts == {stack.url.removeprefix("http://")}
    policy = desk.page.request.get(f"{stack.url}/").headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    context.close()
