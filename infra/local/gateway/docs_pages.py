"""The HTTP contract to read and to try at /docs, with a viewer that comes from its npm package.

Nothing of it is deployed, and nothing of it is fetched by the browser from anywhere else.
"""

import asyncio
import contextlib
import hashlib
import html
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infra.local.servers.child import StartError, run_to_end

_PACKAGE: Final = "rapidoc"
_VERSION: Final = "9.3.8"
_SHA512: Final = (
    "7826046ebd57afc38966f542c3c49797dcc1091a0b25b84d1ae1b92194c7abf4"
    "5600eabf3b831a7d40ae144c991ecae12eb95470664c6bae29ca1a626fc7d029"
)
_SCRIPT: Final = "package/dist/rapidoc-min.js"
_SECONDS: Final = 60
_CONTENT_SECURITY_POLICY: Final = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'"
)
_PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Ordering: HTTP API</title>
<link rel="icon" href="data:,">
<script type="module" src="/docs/viewer.js"></script>
</head>
<body>
<rapi-doc spec-url="/openapi.json" load-fonts="false" render-style="read" show-header="false"
  schema-style="table" allow-server-selection="false" persist-auth="true"></rapi-doc>
</body>
</html>
"""
_NO_VIEWER: Final = """\
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Ordering: HTTP API</title></head>
<body>
<p>The viewer is not here: {reason}</p>
<p>The document itself is <a href="/openapi.json">/openapi.json</a>.</p>
</body>
</html>
"""


@dataclass(frozen=True)
class Page:
    """One document that is served as it is."""

    body: bytes
    content_type: str

    @property
    def headers(self) -> dict[str, str]:
        """Its headers: a page of ours loads what is ours, and nothing else."""
        return {
            "content-type": self.content_type,
            "content-security-policy": _CONTENT_SECURITY_POLICY,
        }


async def docs_pages(openapi: Path, cache: Path) -> Mapping[str, Page]:
    """Give the pages by their paths; the first time, the viewer is downloaded to ``cache``."""
    if not await asyncio.to_thread(openapi.is_file):
        return {}
    document = Page(await asyncio.to_thread(openapi.read_bytes), "application/json")
    try:
        script = await _viewer(cache)
    except StartError as error:
        text = _NO_VIEWER.format(reason=html.escape(str(error)))
        return {"/openapi.json": document, "/docs": Page(text.encode(), _HTML)}
    return {
        "/openapi.json": document,
        "/docs": Page(_PAGE.encode(), _HTML),
        "/docs/viewer.js": Page(script, "text/javascript; charset=utf-8"),
    }


_HTML: Final = "text/html; charset=utf-8"


async def _viewer(cache: Path) -> bytes:
    """Give the viewer's script. Raises StartError, which says what is missing."""
    kept = cache / f"{_PACKAGE}-{_VERSION}.js"
    if not kept.is_file():
        if shutil.which("npm") is None:
            raise StartError("npm, which downloads it, was not found.")
        await asyncio.to_thread(cache.mkdir, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as directory:
            script = Path(directory) / "viewer.js"
            script.write_bytes(await _download(Path(directory)))
            script.replace(kept)  # whole or not at all
    return await asyncio.to_thread(kept.read_bytes)


async def _download(directory: Path) -> bytes:
    command = ("npm", "pack", "--silent", f"--pack-destination={directory}")
    output = "it took too long"
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_SECONDS):
            _, output = await run_to_end(*command, f"{_PACKAGE}@{_VERSION}")
    archive = directory / f"{_PACKAGE}-{_VERSION}.tgz"
    if not archive.is_file():
        raise StartError(f"npm could not download it: {output.strip()[-300:]}.")
    if hashlib.sha512(archive.read_bytes()).hexdigest() != _SHA512:
        raise StartError("what npm downloaded is not what was expected.")
    with tarfile.open(archive) as package:
        member = package.extractfile(_SCRIPT)
        if member is None:
            raise StartError("what npm downloaded has no viewer in it.")
        return member.read()
