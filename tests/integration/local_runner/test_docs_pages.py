"""The contract at /docs: served with its viewer, and honest where that cannot be had."""

import asyncio
import hashlib
from pathlib import Path

import aiohttp
import pytest

from infra.local.gateway import docs_pages as module
from infra.local.gateway.docs_pages import Page, docs_pages
from infra.local.gateway.issuer import Key
from tests.integration.local_runner.http_fixtures import Functions, a_route, problem_of, run


@pytest.fixture
def openapi(tmp_path: Path) -> Path:
    file = tmp_path / "openapi.json"
    file.write_text("{}")
    return file


def test_the_viewer_comes_from_the_cache(openapi: Path, tmp_path: Path) -> None:
    (tmp_path / "rapidoc-9.3.8.js").write_text("viewer")
    pages = asyncio.run(docs_pages(openapi, tmp_path))
    assert pages["/docs/viewer.js"].body == b"viewer"
    assert b'spec-url="/openapi.json"' in pages["/docs"].body
    assert b"//" not in pages["/docs"].body  # nothing is loaded from elsewhere
    assert "default-src 'self'" in pages["/docs"].headers["content-security-policy"]


def test_without_npm_the_page_says_so(
    openapi: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    pages = asyncio.run(docs_pages(openapi, tmp_path))
    assert b"npm, which downloads it, was not found" in pages["/docs"].body
    assert pages["/openapi.json"].body == b"{}"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo no such package; exit 1", b"npm could not download it: no such package"),
        ("echo other > ${4#*=}/rapidoc-9.3.8.tgz", b"not what was expected"),
    ],
)
def test_what_npm_brings_is_checked(
    openapi: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, reason: bytes
) -> None:
    npm = tmp_path / "npm"
    npm.write_text(f'#!/bin/sh\nset -- x "$@"\n{script}\n')
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    pages = asyncio.run(docs_pages(openapi, tmp_path))
    assert reason in pages["/docs"].body
    assert not list(tmp_path.glob("*.js"))


def test_without_a_document_there_are_no_pages(tmp_path: Path) -> None:
    assert asyncio.run(docs_pages(tmp_path / "openapi.json", tmp_path)) == {}


def test_the_pinned_digest_is_one_of_sha512() -> None:
    assert len(bytes.fromhex(module._SHA512)) == hashlib.sha512().digest_size  # noqa: SLF001 - a typo in it shows only with npm


def test_pages_need_no_token_and_never_hide_a_route(tmp_path: Path) -> None:
    pages = {"/docs": Page(b"docs", "text/html"), "/orders": Page(b"hidden", "text/html")}

    async def scenario(client: aiohttp.ClientSession, _key: Key) -> None:
        async with client.get("/docs") as response:
            assert (response.status, await response.text()) == (200, "docs")
            assert response.headers["content-security-policy"]
        async with client.post("/docs") as response:
            assert (await problem_of(response))[0] == 404
        async with client.get("/orders") as response:
            assert await response.text() == "ok"

    routes = {"List": a_route("GET", "/orders")}
    run(tmp_path, scenario, Functions(), routes=routes, pages=pages)
