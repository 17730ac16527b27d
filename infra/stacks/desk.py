"""The order desk's files as a CDN serves them, with what this stage's issuer and API are."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from infra.local.gateway.web_pages import WebPages, desk_config
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
        config = desk_config(
            kept["JwtIssuer"],
            kept.get("ScopePrefix", ""),
            api=kept["ApiUrl"],
            client_id=kept["JwtAudience"].split(",")[0],
            scopes=_SCOPES,
        )
    except KeyError as error:
        raise DeploymentError(f"web needs {error.args[0]} in SSM") from None
    return asyncio.run(_pages(config))


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
            path.lstrip("/") or _INDEX: (page.body, page.content_type)
            for path, page in desk.pages.items()
        }
