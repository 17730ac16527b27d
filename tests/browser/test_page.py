"""What a page of another origin can do with the API, in a real Chromium."""

from __future__ import annotations

import functools
import http.server
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.running_stack import kafka_kinds
from tests.shared import an_order

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page, Request

    from tests.running_stack import RunningStack

pytestmark = [
    pytest.mark.system,
    pytest.mark.parametrize("stack", kafka_kinds()[:1], indirect=True),
]
# Gives what a page can see of an answer.
CALL = """async ([url, options]) => {
  const answer = await fetch(url, options);
  const text = await answer.text();
  return {
    status: answer.status,
    headers: Object.fromEntries(answer.headers),
    body: text === "" ? null : JSON.parse(text),
  };
}"""
SHOWN = {
    *("cache-control", "content-type", "etag", "read-model", "read-model-as-of"),
    "x-correlation-id",
}


@pytest.fixture(scope="module")
def page(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Return an empty page that comes from a server of its own."""
    directory: Path = tmp_path_factory.mktemp("page")
    (directory / "index.html").write_text("<!doctype html><title>Shop</title>")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(directory))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        yield page
        page.close()
        server.shutdown()


class Shop:
    """Calls the API from the page, as a checkout does."""

    def __init__(self, page: Page, stack: RunningStack) -> None:
        self._page = page
        self._url = stack.url
        self._jwt = stack.jwt(customer="ALFKI", scopes=["orders:read", "orders:sell"])
        self.sent: list[Request] = []
        page.on("request", self._note)

    def _note(self, request: Request) -> None:
        self.sent.append(request)

    def call(self, path: str, *, cache: str = "default", **options: Any) -> dict[str, Any]:  # noqa: ANN401 - any option of fetch
        headers = {"Authorization": f"Bearer {self._jwt}", **options.pop("headers", {})}
        given = {"headers": headers, "cache": cache, **options}
        answer: dict[str, Any] = self._page.evaluate(CALL, [self._url + path, given])
        return answer

    def send(self, path: str, body: str) -> dict[str, Any]:
        return self.call(
            path, method="POST", body=body, headers={"Content-Type": "application/json"}
        )

    def last_cache_control(self) -> str | None:
        return self.sent[-1].all_headers().get("cache-control")


@pytest.fixture
def shop(page: Page, stack: RunningStack) -> Shop:
    return Shop(page, stack)


@pytest.fixture
def order(stack: RunningStack) -> str:
    """Return the path of an order that the read side knows."""
    placed = stack.place()
    stack.read(placed.body["order_id"], placed.token)
    return f"/orders/{placed.body['order_id']}"


def test_a_page_reads_every_header_that_the_contract_has(shop: Shop, order: str) -> None:
    answer = shop.call(order)
    assert answer["status"] == 200
    assert answer["headers"].keys() >= SHOWN
    refused = shop.call(order, headers={"Authorization": "Bearer expired"})
    assert refused["status"] == 401
    assert refused["headers"]["www-authenticate"].startswith("Bearer")


def test_a_page_revalidates_what_it_keeps_itself(shop: Shop, order: str) -> None:
    etag = shop.call(order)["headers"]["etag"]
    answer = shop.call(order, headers={"If-None-Match": etag})
    assert shop.last_cache_control() == "max-age=0"
    assert (answer["status"], answer["body"]) == (304, None)
    assert answer["headers"]["etag"] == etag


@pytest.mark.parametrize(("cache", "sent"), [("no-cache", "max-age=0"), ("reload", "no-cache")])
def test_a_page_reloads(shop: Shop, order: str, cache: str, sent: str) -> None:
    shop.call(order)
    answer = shop.call(order, cache=cache)
    assert shop.last_cache_control() == sent
    assert answer["status"] == 200
    assert answer["body"]["version"] == 1


def test_a_page_reads_what_it_has_just_written(shop: Shop) -> None:
    placed = shop.send("/orders", json.dumps(an_order()))
    assert placed["status"] == 201
    token = placed["headers"]["consistency-token"]
    wait = {"Consistency-Token": token, "Prefer": "wait=20"}
    read = shop.call(f"/orders/{placed['body']['order_id']}", headers=wait)
    assert read["status"] == 200
    assert read["headers"]["preference-applied"] == "wait=20"
    assert read["headers"]["read-model-stale"] == "?0"


def test_a_page_waits_for_what_does_not_come(shop: Shop, order: str) -> None:
    beyond = {"Consistency-Token": f"{order.removeprefix('/orders/')}.2", "Prefer": "wait=1"}
    answer = shop.call(order, headers=beyond)
    assert answer["status"] == 200
    assert answer["headers"]["read-model-stale"] == "?1"
