"""The HTTP contract to read and to try at /docs, with a viewer that comes from its npm package.

Nothing of it is deployed, and nothing of it is fetched by the browser from anywhere else. The
viewer is downloaded beside everything else: no start waits for it.
"""

import asyncio
import contextlib
import hashlib
import html
import shutil
import tarfile
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infra.local import environment
from infra.local.servers.child import StartError, run_to_end

_PACKAGE: Final = "rapidoc"
_VERSION: Final = "9.3.8"
_SHA512: Final = (
    "7826046ebd57afc38966f542c3c49797dcc1091a0b25b84d1ae1b92194c7abf4"
    "5600eabf3b831a7d40ae144c991ecae12eb95470664c6bae29ca1a626fc7d029"
)
_SCRIPT: Final = "package/dist/rapidoc-min.js"
_SECONDS: Final = 60
_PATIENCE_SECONDS: Final = 24 * 3600  # after a failure; a registry that is blocked stays so
_HTML: Final = "text/html; charset=utf-8"
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
<p>The viewer is not here{reason}</p>
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
        """Its headers: the page loads nothing from other hosts."""
        return {
            "content-type": self.content_type,
            "content-security-policy": _CONTENT_SECURITY_POLICY,
        }


class DocsPages:
    """The pages by their paths; `pages` has more of them once the viewer has been downloaded.

    `cache` keeps the viewer. `say` takes a line for the user before the download, `warn` why there
    was none.
    """

    def __init__(
        self, openapi: Path, cache: Path, *, say: Callable[[str], None], warn: Callable[[str], None]
    ) -> None:
        self.pages: dict[str, Page] = {}
        self._openapi = openapi
        self._cache = cache
        self._script = cache / f"{_PACKAGE}-{_VERSION}.js"
        self._failure = cache / f"{_PACKAGE}-{_VERSION}.failed"
        self._say = say
        self._warn = warn
        self._download: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Have the pages that there are without a download, and begin that if it is due."""
        if not await asyncio.to_thread(self._openapi.is_file):
            return
        document = await asyncio.to_thread(self._openapi.read_bytes)
        self.pages["/openapi.json"] = Page(document, "application/json")
        if self._script.is_file():
            await self._show_viewer()
        elif (failure := self._failed_lately()) is not None:
            self._show_reason(
                f": {failure} It is tried again when {self._failure} is a day old, or gone."
            )
        elif shutil.which("npm") is None:
            self._show_reason(": npm, which downloads it, was not found.")
        else:
            self._show_reason(" yet: it is being downloaded. Load this page again in a moment.")
            self._say("downloading the viewer of /docs with npm (once), while all else starts …")
            self._download = asyncio.create_task(self._provide_viewer())

    async def close(self) -> None:
        """Give up a download that is still running; the next start begins it anew."""
        if self._download is not None:
            self._download.cancel()
            await asyncio.gather(self._download, return_exceptions=True)

    async def _provide_viewer(self) -> None:
        try:
            await asyncio.to_thread(self._cache.mkdir, parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._cache) as directory:
                script = Path(directory) / "viewer.js"
                script.write_bytes(await _download(Path(directory)))
                script.replace(self._script)  # whole or not at all
        except (StartError, OSError, tarfile.TarError) as error:
            self._warn(f"/docs has no viewer: {error}")
            self._show_reason(f": {error}")
            with contextlib.suppress(OSError):  # then it is tried at the next start
                self._failure.write_text(str(error))
        else:
            await self._show_viewer()

    def _failed_lately(self) -> str | None:
        try:
            age = time.time() - self._failure.stat().st_mtime
            return self._failure.read_text() if age < _PATIENCE_SECONDS else None
        except FileNotFoundError:
            return None

    async def _show_viewer(self) -> None:
        script = await asyncio.to_thread(self._script.read_bytes)
        self.pages["/docs/viewer.js"] = Page(script, "text/javascript; charset=utf-8")
        self.pages["/docs"] = Page(_PAGE.encode(), _HTML)

    def _show_reason(self, reason: str) -> None:
        text = _NO_VIEWER.format(reason=html.escape(reason))
        self.pages["/docs"] = Page(text.encode(), _HTML)


async def _download(directory: Path) -> bytes:
    command = ("npm", "pack", "--silent", f"--pack-destination={directory}")
    output = "it took too long"
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_SECONDS):
            _, output = await run_to_end(
                *command, f"{_PACKAGE}@{_VERSION}", variables=environment.of_installers()
            )
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
