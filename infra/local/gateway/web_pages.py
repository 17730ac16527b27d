"""The order desk at /: the files of infra/web, what they need of npm, and their configuration."""

import asyncio
import html
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from infra.local.gateway.issuer import CLIENT_ID, SCOPES
from infra.local.gateway.npm_files import NpmFiles, NpmPackage
from infra.local.gateway.page import Page

PACKAGES: Final = (
    NpmPackage(
        name="preact",
        version="10.29.8",
        sha512=(
            "7a3d9a559faf67c58eeedbe541644cf4deb70342b317dab899625f0d41e061a2"
            "287d663d86eef841d9d0ae3a0f326662dbf9d9e603746c9090178f7142ac74f5"
        ),
        files={
            "preact.js": "package/dist/preact.module.js",
            "hooks.js": "package/hooks/dist/hooks.module.js",
            "preact.LICENSE": "package/LICENSE",
        },
    ),
    NpmPackage(
        name="htm",
        version="3.1.1",
        sha512=(
            "f7cdd5ca0f0dc1413b26467a3663aaa4267eb21d5b2afda2613954933956980e"
            "490f669c2a8c5de0a5716cc9b15fff399ad7dd9c399316834a720e43180bf135"
        ),
        files={"htm.js": "package/dist/htm.module.js", "htm.LICENSE": "package/LICENSE"},
    ),
    NpmPackage(
        name="uplot",
        version="1.6.32",
        sha512=(
            "2883159c6ebccefbb95d751b0b82d010f9e1c0ec41b8bc96d401eda66e882935"
            "c89a46cb824332fa369b8cb8122cc6ac36e186cd09bf7a9ded3a4c93c6989023"
        ),
        files={
            "uplot.js": "package/dist/uPlot.esm.js",
            "uplot.css": "package/dist/uPlot.min.css",
            "uplot.LICENSE": "package/LICENSE",
        },
    ),
)
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".LICENSE": "text/plain; charset=utf-8",
}
# Files of a package name each other by the package's name, which a browser cannot find.
_NAMED: Final = {"hooks.js": (b'from"preact"', b'from"./preact.js"')}
_NOT_HERE: Final = """\
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Order desk</title></head>
<body>
<p>The order desk is not here{reason}</p>
<p>The HTTP API is, and its document: <a href="/openapi.json">/openapi.json</a>.</p>
</body>
</html>
"""


def desk_config(
    issuer: str | None,
    scope_prefix: str,
    *,
    api: str = "",
    client_id: str = CLIENT_ID,
    scopes: Sequence[str] = SCOPES,
) -> dict[str, str]:
    """Return what the desk has to know; without an address the API is where the page is."""
    return {
        "api": api,
        "issuer": issuer or "",
        "clientId": client_id,
        "scopePrefix": scope_prefix,
        # What a token is asked for; an issuer gives of it what is somebody's.
        "scope": " ".join(["openid", *(scope_prefix + scope for scope in scopes)]),
    }


class WebPages:
    """The pages by their paths; `pages` has more of them once the packages have been downloaded.

    `config` is `desk_config`.
    """

    def __init__(
        self,
        directory: Path,
        cache: Path,
        config: Mapping[str, str],
        *,
        say: Callable[[str], None],
        warn: Callable[[str], None],
    ) -> None:
        self.pages: dict[str, Page] = {}
        self._directory = directory
        self._config = config
        self._policy = _policy(config["issuer"])
        self._files: dict[str, bytes] = {}
        self._vendor = NpmFiles(
            "what the order desk needs", PACKAGES, cache, say=say, warn=warn, changed=self._show
        )

    async def start(self) -> None:
        """Have the pages, and begin to download what is missing."""
        self._files = await asyncio.to_thread(_files_of, self._directory)
        if self._files:
            await self._vendor.start()

    async def close(self) -> None:
        """Give up a download that is still running; the next start begins it anew."""
        await self._vendor.close()

    def _show(self) -> None:
        if not self._vendor.found:
            reason = html.escape(self._vendor.missing)
            self.pages["/"] = self._page("index.html", _NOT_HERE.format(reason=reason).encode())
            return
        for name, body in self._vendor.found.items():
            old, new = _NAMED.get(name, (b"", b""))
            self.pages[f"/vendor/{name}"] = self._page(
                name, body.replace(old, new) if old else body
            )
        for name, body in self._files.items():
            self.pages[f"/{name}"] = self._page(name, body)
        config = json.dumps(self._config).encode()
        self.pages["/desk/config.json"] = self._page("config.json", config)
        self.pages["/"] = self.pages.pop("/index.html")

    def _page(self, name: str, body: bytes) -> Page:
        return Page(body, _TYPES[Path(name).suffix], self._policy)


def _files_of(directory: Path) -> dict[str, bytes]:
    return {
        file.relative_to(directory).as_posix(): file.read_bytes()
        for file in sorted(directory.rglob("*"))
        if file.is_file() and file.suffix in _TYPES
    }


def _policy(issuer: str) -> str:
    """Return the desk's Content-Security-Policy: no inline script, and nobody else."""
    parts = urlsplit(issuer)
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        f" connect-src 'self' {parts.scheme}://{parts.netloc}; base-uri 'none';"
        " form-action 'none'; frame-ancestors 'none'"
    )
