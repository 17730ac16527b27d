"""The contract at /docs: served with its viewer, and honest where that cannot be had."""

import asyncio
import hashlib
import io
import os
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from infra.local.gateway.docs_pages import VIEWER, DocsPages
from infra.local.gateway.issuer import Key
from infra.local.gateway.npm_files import NpmPackage
from infra.local.gateway.page import Page
from infra.local.gateway.web_pages import PACKAGES
from tests.integration.local_runner.http_fixtures import Functions, a_route, problem_of, run
from tests.integration.local_runner.lambda_fixtures import until


@pytest.fixture
def openapi(tmp_path: Path) -> Path:
    file = tmp_path / "openapi.json"
    file.write_text("{}")
    return file


async def started(
    openapi: Path, cache: Path, messages: list[str], viewer: NpmPackage = VIEWER
) -> DocsPages:
    docs = DocsPages(openapi, cache, say=messages.append, warn=messages.append, viewer=viewer)
    await docs.start()
    return docs


def pages_of(openapi: Path, cache: Path) -> tuple[dict[str, Page], list[str]]:
    """Return the pages and the messages to the user, once nothing is being downloaded."""
    messages: list[str] = []

    async def settled() -> dict[str, Page]:
        docs = await started(openapi, cache, messages)
        nothing = Page(b"", "")
        await until(lambda: b"being downloaded" not in docs.pages.get("/docs", nothing).body)
        await docs.close()
        return docs.pages

    return asyncio.run(settled()), messages


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make npm what this script says; its fourth argument names where the archive is to be."""

    def make(script: str) -> None:
        program = tmp_path / "bin" / "npm"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\nset -- x "$@"\n{script}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")

    return make


def test_the_viewer_comes_from_the_cache(openapi: Path, tmp_path: Path) -> None:
    (tmp_path / "rapidoc-9.3.8.js").write_text("viewer")
    pages, messages = pages_of(openapi, tmp_path)
    assert pages["/docs/viewer.js"].body == b"viewer"
    assert b'spec-url="/openapi.json"' in pages["/docs"].body
    assert b"//" not in pages["/docs"].body  # nothing is loaded from elsewhere
    assert "default-src 'self'" in pages["/docs"].headers["content-security-policy"]
    assert messages == []


def test_without_npm_the_page_says_so(
    openapi: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    pages, _ = pages_of(openapi, tmp_path)
    assert b"npm, which downloads it, was not found" in pages["/docs"].body
    assert pages["/openapi.json"].body == b"{}"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo no such package; exit 1", "npm could not download it: no such package"),
        ("echo other > ${4#*=}/rapidoc-9.3.8.tgz", "not what was expected"),
    ],
)
def test_what_npm_brings_is_checked(
    openapi: Path, tmp_path: Path, npm: Callable[[str], None], script: str, reason: str
) -> None:
    npm(script)
    pages, messages = pages_of(openapi, tmp_path)
    assert reason in pages["/docs"].body.decode()
    assert [reason in line for line in messages] == [False, True]
    assert not list(tmp_path.glob("*.js"))


def test_no_start_waits_for_the_download_and_the_page_says_that_it_runs(
    openapi: Path, tmp_path: Path, npm: Callable[[str], None]
) -> None:
    archive = tmp_path / "viewer.tgz"
    with tarfile.open(archive, "w:gz") as package:
        member = tarfile.TarInfo("package/dist/rapidoc-min.js")
        member.size = 6
        package.addfile(member, io.BytesIO(b"viewer"))
    digest = hashlib.sha512(archive.read_bytes()).hexdigest()
    viewer = replace(VIEWER, sha512=digest)
    go_on = tmp_path / "go-on"
    npm(f"until test -e {go_on}; do sleep 0.01; done; cp {archive} ${{4#*=}}/rapidoc-9.3.8.tgz")

    async def scenario() -> None:
        messages: list[str] = []
        docs = await started(openapi, tmp_path, messages, viewer)
        assert b"not here yet: it is being downloaded" in docs.pages["/docs"].body
        assert messages == [
            "downloading the viewer of /docs with npm (once), while all else starts …"
        ]
        go_on.touch()
        await until(lambda: "/docs/viewer.js" in docs.pages)
        assert docs.pages["/docs/viewer.js"].body == b"viewer"
        assert b'spec-url="/openapi.json"' in docs.pages["/docs"].body
        await docs.close()

    asyncio.run(scenario())


def test_a_download_that_failed_is_not_tried_again_for_a_day(
    openapi: Path, tmp_path: Path, npm: Callable[[str], None]
) -> None:
    npm(f"echo tried >> {tmp_path}/tries; echo no route; exit 1")
    pages_of(openapi, tmp_path)
    pages, messages = pages_of(openapi, tmp_path)
    assert (tmp_path / "tries").read_text() == "tried\n"
    assert b"no route" in pages["/docs"].body
    assert messages == []
    failure = tmp_path / "rapidoc-9.3.8.failed"
    yesterday = failure.stat().st_mtime - 25 * 3600
    os.utime(failure, (yesterday, yesterday))
    pages_of(openapi, tmp_path)
    assert (tmp_path / "tries").read_text() == "tried\n" * 2


def test_a_download_that_was_interrupted_is_begun_anew(
    openapi: Path, tmp_path: Path, npm: Callable[[str], None]
) -> None:
    npm(f"echo tried >> {tmp_path}/tries; sleep 60")

    async def interrupted() -> None:
        docs = await started(openapi, tmp_path, [])
        await until((tmp_path / "tries").exists)
        await docs.close()

    asyncio.run(interrupted())
    npm(f"echo tried >> {tmp_path}/tries; exit 1")
    pages_of(openapi, tmp_path)
    assert (tmp_path / "tries").read_text() == "tried\n" * 2


def test_without_a_document_there_are_no_pages(tmp_path: Path) -> None:
    assert pages_of(tmp_path / "openapi.json", tmp_path) == ({}, [])


@pytest.mark.parametrize("package", [VIEWER, *PACKAGES], ids=lambda package: package.name)
def test_the_pinned_digest_is_one_of_sha512(package: NpmPackage) -> None:
    # A typo in it shows only with npm.
    assert len(bytes.fromhex(package.sha512)) == hashlib.sha512().digest_size


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
