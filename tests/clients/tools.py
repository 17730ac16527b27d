"""What checks the OpenAPI document and makes clients of it: from npm and Maven, installed once.

Where a program that installs or runs them is missing, the test is skipped and names it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from infra.local.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

HERE: Final = Path(__file__).parent
_OLDEST: Final = {"node": 20, "java": 17}


def node_program(name: str) -> list[str]:
    """Return the command of a program from one of the npm packages."""
    return ["node", str(node_file(f".bin/{name}").resolve())]


def node_file(path: str) -> Path:
    """Return a file of the npm packages, by its path in node_modules."""
    _need("node", "npm")

    def install(folder: Path) -> None:
        for file in _NPM_FILES:
            shutil.copy(HERE / file, folder)
        _run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", at=folder)

    folder = _installed("api-checks", [HERE / file for file in _NPM_FILES], install)
    return folder / "node_modules" / path


_NPM_FILES: Final = ("package.json", "package-lock.json", ".npmrc")


def openapi_generator() -> list[str]:
    """Return the command of OpenAPI Generator."""
    _need("java", "mvn")
    pom = HERE / "pom.xml"

    def install(folder: Path) -> None:
        copy = (
            "dependency:copy-dependencies",
            "-DexcludeTransitive",
            f"-DoutputDirectory={folder}",
        )
        _run("mvn", "-q", "-B", "-ntp", "-f", str(pom), *copy, at=folder)

    (jar,) = _installed("openapi-generator", [pom], install).glob("*.jar")
    return ["java", "-jar", str(jar)]


def _need(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} was not found; with Node 20, npm, Java 17 and Maven this runs")
        if program in _OLDEST:
            done = subprocess.run(
                [program, "--version"], capture_output=True, text=True, check=True
            )
            found = re.search(r"(\d+)\.", done.stdout)
            if found is None or int(found[1]) < _OLDEST[program]:
                pytest.skip(f"{program} is too old: {_OLDEST[program]} or newer is needed")


def _installed(name: str, lock: list[Path], install: Callable[[Path], None]) -> Path:
    """Return the folder that ``install`` fills once for this content of the ``lock`` files."""
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in lock)).hexdigest()[:12]
    folder = Settings().cache_dir / f"{name}-{digest}"
    if folder.exists():
        return folder
    draft = folder.with_name(f"{folder.name}.{os.getpid()}")
    draft.mkdir(parents=True)
    try:
        install(draft)
        try:
            draft.rename(folder)
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:  # another run was as fast
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def _run(*command: str, at: Path) -> None:
    done = subprocess.run(command, cwd=at, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
