"""The order desk's files, as the gateway serves them."""

import asyncio
import gzip
import json
from pathlib import Path

import aiohttp
import pytest

from infra.local.gateway.issuer import Key
from infra.local.gateway.page import Page
from infra.local.gateway.web_pages import PACKAGES, WebPages, desk_config
from infra.local.settings import ROOT
from tests.integration.local_runner.http_fixtures import Functions, run

ISSUER = "https://login.example.com/pool"


def pages_of(cache: Path, directory: Path = ROOT / "infra" / "web") -> dict[str, Page]:
    desk = WebPages(
        directory, cache, desk_config(ISSUER, "x/"), say=lambda _: None, warn=lambda _: None
    )

    async def started() -> None:
        await desk.start()
        await desk.close()

    asyncio.run(started())
    return desk.pages


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache that has all packages."""
    for package in PACKAGES:
        for name in package.files:
            content = b'import{options as n}from"preact";' if name == "hooks.js" else name.encode()
            (tmp_path / package.cached(name)).write_bytes(content)
    return tmp_path


def test_the_desk_has_its_files_what_they_import_and_its_configuration(cache: Path) -> None:
    pages = pages_of(cache)
    assert b'src="desk/main.js"' in pages["/"].body
    assert b"OrdersApi" in pages["/desk/api.js"].body
    assert pages["/vendor/htm.js"].body == b"htm.js"
    # A browser cannot find a package by its name.
    assert pages["/vendor/hooks.js"].body == b'import{options as n}from"./preact.js";'
    assert pages["/vendor/preact.LICENSE"].content_type.startswith("text/plain")
    assert json.loads(pages["/desk/config.json"].body) == {
        "api": "",
        "issuer": ISSUER,
        "clientId": "order-desk",
        "scopePrefix": "x/",
        "scope": "openid x/orders:read x/orders:write x/orders:sell x/orders:operate",
    }
    policy = pages["/"].policy
    assert "connect-src 'self' https://login.example.com;" in policy
    assert "unsafe" not in policy


def test_everything_that_a_module_imports_is_there(cache: Path) -> None:
    pages = pages_of(cache)
    modules = {path: page.body.decode() for path, page in pages.items() if path.endswith(".js")}
    for path, text in modules.items():
        for line in text.splitlines():
            if not path.startswith("/desk/") or ' from "' not in line:
                continue
            target = line.rpartition(' from "')[2].partition('"')[0]
            found = (Path(path).parent / target).as_posix()
            parts: list[str] = []
            for part in found.split("/"):
                parts = parts[:-1] if part == ".." else [*parts, part]
            assert "/".join(p for p in parts if p != ".") in pages, f"{path} imports {target}"


def test_without_its_packages_the_page_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    pages = pages_of(tmp_path)
    assert b"npm, which downloads it, was not found" in pages["/"].body
    assert pages.keys() == {"/"}


def test_without_files_there_is_no_desk(tmp_path: Path) -> None:
    assert pages_of(tmp_path, tmp_path / "none") == {}


def test_a_page_comes_compressed_and_once(tmp_path: Path) -> None:
    text = "x" * 5_000
    pages = {"/long": Page(text.encode(), "text/plain"), "/short": Page(b"y", "text/plain")}

    async def scenario(client: aiohttp.ClientSession, _: Key) -> None:
        async with client.get("/long", headers={"Accept-Encoding": "gzip"}) as response:
            assert response.headers["content-encoding"] == "gzip"
            assert await response.text() == text
            tag = response.headers["etag"]
            assert int(response.headers["content-length"]) == len(
                gzip.compress(text.encode(), mtime=0)
            )
        async with client.get("/long", headers={"Accept-Encoding": "identity"}) as response:
            assert "content-encoding" not in response.headers
            assert await response.text() == text
        async with client.get("/long", headers={"If-None-Match": tag}) as response:
            assert (response.status, await response.read()) == (304, b"")
        async with client.get("/short", headers={"Accept-Encoding": "gzip"}) as response:
            assert "content-encoding" not in response.headers
            assert response.headers["content-security-policy"] == "default-src 'none'"

    run(tmp_path, scenario, Functions(), routes={}, pages=pages)
