"""For tests in a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.browser.chromium import launch_options
from tests.browser.desk import SOON_MS, Desk, new_desk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from tests.running_stack import RunningStack


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start a headless Chromium for a module: as long as it runs, no other loop of events can."""
    options = launch_options()
    if options is None:
        pytest.skip("no Chromium was found or could be installed: see tests/browser/chromium.py")
    expect.set_options(timeout=SOON_MS)
    with sync_playwright() as playwright, playwright.chromium.launch(**options) as browser:
        yield browser


@pytest.fixture
def desk(browser: Browser, stack: RunningStack) -> Iterator[Desk]:
    """Open the desk as an operator; nothing may have gone wrong in its scripts at the end."""
    context, desk = new_desk(browser, stack)
    desk.sign_in()
    yield desk
    context.close()
    assert desk.errors == []
