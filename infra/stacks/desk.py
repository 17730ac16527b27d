"""The order desk's files as a CDN serves them, with what this stage's issuer and API are."""

from __future__ import annotations

import asyncio
import json
import mimetypes
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from infra.local.gateway.web_pages import WebPages
from infra.stacks.stage import ROOT, DeploymentError

if TYPE_CHECKING:
    from collections.abc import Mapping

_SECONDS: Final = 120
_SCOPES: Final = ("orders:read", "orders:write", "orders:operate")
_INDEX: Final = "index.html"


def export_desk(kept: Mapping[str, str]) -> dict[str, tuple[bytes, str]]:
    """Return each file's content and type by its path.

    ``kept`` is what the stacks have left: ApiUrl, JwtIssuer, JwtAudience (the desk's client first),
    ScopePrefix.

    Raises:
        DeploymentError: a package cannot be downloaded, or a value is missing.
    """
    try:
        prefix = kept.get("ScopePrefix", "")
        config = {
            "api": kept["ApiUrl"],
            "issuer": kept["JwtIssuer"],
            "clientId": kept["JwtAudience"].split(",")[0],
            "scopePrefix": prefix,
            "scope": " ".join(["openid", *(prefix + scope for scope in _SCOPES)]),
        }
    except KeyError as error:
        raise DeploymentError(f"web needs {error.args[0]} in SSM") from None
    pages = asyncio.run(_pages(config))
    pages["desk/config.json"] = (json.dumps(config).encode(), "application/json")
    return pages


async def _pages(config: Mapping[str, str]) -> dict[str, tuple[bytes, str]]:
    with tempfile.TemporaryDirectory() as cache:
        desk = WebPages(
            ROOT / "infra" / "web", Path(cache), config, say=lambda _: None, warn=lambda _: None
        )
        await desk.start()
        try:
            async with asyncio.timeout(_SECONDS):
                # Nothing tells when they are there.
                while not any(path.startswith("/vendor/") for path in desk.pages):  # noqa: ASYNC110 - see above
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise DeploymentError("web: what the order desk needs cannot be downloaded") from None
        finally:
            await desk.close()
        return {
            _path(path): (page.body, mimetypes.guess_type(_path(path))[0] or "text/plain")
            for path, page in desk.pages.items()
        }


def _path(page: str) -> str:
    return page.lstrip("/") or _INDEX
