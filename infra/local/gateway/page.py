"""A document that the gateway serves as it is."""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from aiohttp import web

_LEAST_COMPRESSED: Final = 1_000


@dataclass(frozen=True)
class Page:
    """One document, and what the browser may load for it (its Content-Security-Policy)."""

    body: bytes
    content_type: str
    policy: str = "default-src 'none'"

    @cached_property
    def compressed(self) -> bytes:
        """The body in gzip, made once."""
        return gzip.compress(self.body, mtime=0)

    @cached_property
    def tag(self) -> str:
        """The entity tag: the same for the same body."""
        return f'"{hashlib.sha256(self.body).hexdigest()[:16]}"'

    @property
    def headers(self) -> dict[str, str]:
        """Its headers. A browser asks each time whether it has changed."""
        return {
            "content-type": self.content_type,
            "content-security-policy": self.policy,
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
            "cache-control": "no-cache",
            "etag": self.tag,
            "vary": "Accept-Encoding",
        }

    def answer(self, request: web.BaseRequest) -> web.Response:
        """Return it as the request takes it: compressed, or not at all if it is known."""
        if self.tag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers={"etag": self.tag})
        takes_gzip = "gzip" in request.headers.get("Accept-Encoding", "")
        if takes_gzip and len(self.body) >= _LEAST_COMPRESSED:
            headers = {**self.headers, "content-encoding": "gzip"}
            return web.Response(body=self.compressed, headers=headers)
        return web.Response(body=self.body, headers=self.headers)
