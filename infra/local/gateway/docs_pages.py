"""The HTTP contract to read and to try at /docs, with a viewer that comes from its npm package.

Nothing of it is deployed, and nothing of it is fetched by the browser from anywhere else. The
viewer is downloaded beside everything else: no start waits for it.
"""

import asyncio
import html
from collections.abc import Callable
from pathlib import Path
from typing import Final

from infra.local.gateway.npm_files import NpmFiles, NpmPackage
from infra.local.gateway.page import Page

VIEWER: Final = NpmPackage(
    name="rapidoc",
    version="9.3.8",
    sha512=(
        "7826046ebd57afc38966f542c3c49797dcc1091a0b25b84d1ae1b92194c7abf4"
        "5600eabf3b831a7d40ae144c991ecae12eb95470664c6bae29ca1a626fc7d029"
    ),
    files={"rapidoc.js": "package/dist/rapidoc-min.js"},
)
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


class DocsPages:
    """The pages by their paths; `pages` has more of them once the viewer has been downloaded.

    `cache` keeps the viewer. `say` takes a line for the user before the download, `warn` why there
    was none.
    """

    def __init__(
        self,
        openapi: Path,
        cache: Path,
        *,
        say: Callable[[str], None],
        warn: Callable[[str], None],
        viewer: NpmPackage = VIEWER,
    ) -> None:
        self.pages: dict[str, Page] = {}
        self._openapi = openapi
        self._viewer = NpmFiles(
            "the viewer of /docs", [viewer], cache, say=say, warn=warn, changed=self._show
        )

    async def start(self) -> None:
        """Have the pages that there are without a download, and begin that if it is due."""
        if not await asyncio.to_thread(self._openapi.is_file):
            return
        document = await asyncio.to_thread(self._openapi.read_bytes)
        self._add("/openapi.json", document, "application/json")
        await self._viewer.start()

    async def close(self) -> None:
        """Give up a download that is still running; the next start begins it anew."""
        await self._viewer.close()

    def _show(self) -> None:
        if self._viewer.found:
            script = self._viewer.found["rapidoc.js"]
            self._add("/docs/viewer.js", script, "text/javascript; charset=utf-8")
            self._add("/docs", _PAGE.encode(), _HTML)
        else:
            reason = html.escape(self._viewer.missing)
            self._add("/docs", _NO_VIEWER.format(reason=reason).encode(), _HTML)

    def _add(self, path: str, body: bytes, content_type: str) -> None:
        self.pages[path] = Page(body, content_type, _CONTENT_SECURITY_POLICY)
