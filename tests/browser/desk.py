"""The order desk in a real browser: who is signed in, and what one does on its pages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser, BrowserContext, Locator, Page

    from tests.running_stack import RunningStack

SOON_MS: Final = 15_000
HOSTILE_TEXT: Final = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'


class Desk:
    """One window of the desk."""

    def __init__(self, page: Page, stack: RunningStack) -> None:
        self.page = page
        self.stack = stack
        page.set_default_timeout(SOON_MS)
        self.errors: list[str] = []
        """What went wrong in the page's scripts, and what its policy has kept from it."""
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._note)

    def _note(self, message: Any) -> None:  # noqa: ANN401 - Playwright's ConsoleMessage
        # The browser itself writes a line about each answer that is no success.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.errors.append(message.text)

    def sign_in(self, who: str = "operator", customer: str = "") -> None:
        """Sign in from the desk's first page."""
        self.page.goto(f"{self.stack.url}/")
        self.page.get_by_role("button", name="Sign in").click()
        choose(self.page, who, customer)
        expect(self.page.get_by_role("navigation")).to_be_visible()

    def open(self, path: str) -> None:
        """Go to a page of the desk."""
        self.page.goto(f"{self.stack.url}/#/{path}")
        expect(self.page.get_by_role("heading", level=1)).to_be_visible()

    def open_order(self, order_id: str) -> None:
        """Go to an order, and wait until it is there."""
        self.open(f"orders/{order_id}")
        expect(self.summary).to_be_visible()

    @property
    def summary(self) -> Locator:
        return self.page.get_by_role("region", name="Summary")

    def section(self, name: str) -> Locator:
        """Return a part of the page by its heading."""
        heading = self.page.get_by_role("heading", name=name, exact=True)
        return self.page.locator("section").filter(has=heading)

    def do(self, command: str, *, at: Locator | None = None, **values: str) -> None:
        """Carry out a command: press its button and fill its form in, if it has one.

        Values are by the fields' labels, with ``_`` for a space.
        """
        place = self.summary if at is None else at
        self.press(place.get_by_role("button", name=command, exact=True))
        form = self.page.get_by_role("form", name=command, exact=True)
        if values or form.count() > 0:
            self.fill(form, **values)
            self.press(form.get_by_role("button", name=command, exact=True))
        self.settled()

    def fill(self, place: Locator, **values: str) -> None:
        """Fill fields in, by their labels, with ``_`` for a space."""
        for label, value in values.items():
            named = re.compile(f"^{re.escape(label.replace('_', ' '))}", re.IGNORECASE)
            self.write(place.get_by_label(named).first, value)

    def press(self, what: Locator) -> None:
        """Press a button, or follow a link."""
        what.click()

    def write(self, field: Locator, text: str) -> None:
        """Write into a field, instead of what it has."""
        field.fill(text)

    def settled(self) -> None:
        """Wait until nothing is pending."""
        expect(self.page.locator(".change")).to_have_count(0)

    def has_status(self, status: str) -> None:
        expect(self.summary.locator(".status")).to_have_text(status)

    def widths(self) -> tuple[int, int]:
        """Return how wide the page is, and how much of it is seen."""
        wide, seen = self.page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        return wide, seen


class KeyboardDesk(Desk):
    """One window of the desk, worked at without a mouse."""

    _MOST_TABS: Final = 150

    def press(self, what: Locator) -> None:
        """Go to it by the tabulator and press Enter."""
        self._reach(what)
        self.page.keyboard.press("Enter")

    def write(self, field: Locator, text: str) -> None:
        """Go to it by the tabulator and type."""
        self._reach(field)
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.type(text)

    def _reach(self, what: Locator) -> None:
        expect(what).to_be_visible()
        for _ in range(self._MOST_TABS):
            if what.evaluate("element => element === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"{what} is not reached by the tabulator")


def choose(page: Page, who: str, customer: str = "") -> None:
    """Say at the issuer who one is."""
    page.locator(f"input[value={who}]").check()
    if customer:
        page.get_by_label("Customer id").fill(customer)
    page.get_by_role("button", name="Sign in").click()


def new_desk(
    browser: Browser,
    stack: RunningStack,
    kind: type[Desk] = Desk,
    **options: Any,  # noqa: ANN401 - any option of new_context
) -> tuple[BrowserContext, Desk]:
    """Open a window of its own."""
    context = browser.new_context(**{"locale": "en-GB", "timezone_id": "UTC", **options})
    return context, kind(context.new_page(), stack)


def answering(status: int, times: int, **headers: str) -> Callable[[Any], None]:
    """Return a route that answers so many requests with a status, and lets the others through."""
    left = times

    def route(route: Any) -> None:  # noqa: ANN401 - Playwright's Route
        nonlocal left
        if left <= 0:
            route.continue_()
            return
        left -= 1
        body = '{"code": "service-unavailable", "detail": "Away."}'
        route.fulfill(status=status, headers=headers, content_type="application/json", body=body)

    return route
