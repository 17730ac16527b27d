"""Which Kafka this machine can run: Apache Kafka from its Maven artifacts, or the embedded one."""

import asyncio
import contextlib
import errno
import hashlib
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from infra.local import environment
from infra.local.servers.child import StartError, death_signal_command, run_to_end
from infra.local.servers.ports import HOST

_POM: Final = Path(__file__).parent / "pom.xml"
_OLDEST_JAVA: Final = 17
_SETTINGS: Final = "auto, apache, embedded, or host:port[,host:port] of a broker that runs already"


@dataclass(frozen=True)
class ApacheKafka:
    """Apache Kafka's jars in `libraries`; `archive` is where this Java keeps their classes read."""

    java: str
    libraries: Path
    archive: Path


@dataclass(frozen=True)
class Choice:
    """The broker to use. `description` says which and why; `apache` is set if it is that one.

    `bootstrap_servers` is where it is, or will be, reached.
    """

    kind: str
    bootstrap_servers: str
    description: str
    apache: ApacheKafka | None = None

    @property
    def runs_here(self) -> bool:
        """Whether the stack has to start it."""
        return self.kind in {"apache", "embedded"}


async def choose_kafka(setting: str, port: int, cache: Path, say: Callable[[str], None]) -> Choice:
    """Find, and download if need be, the broker that KAFKA=`setting` asks for.

    `port` is where a broker of our own would listen, `cache` keeps what is downloaded, and `say`
    takes a line for the user before something that takes long. Raises StartError when it cannot
    be had.
    """
    local = f"{HOST}:{port}"
    match setting:
        case "embedded":
            return Choice("embedded", local, "embedded noida-db")
        case "apache":
            apache = await _apache(cache, say)
            return Choice("apache", local, f"{_title()} (Java {_version(apache.java)})", apache)
        case "auto":
            try:
                apache = await _apache(cache, say)
            except StartError as error:
                reason = str(error).split("\n", 1)[0]
                return Choice("embedded", local, f"embedded noida-db, because {reason}")
            return Choice("apache", local, f"{_title()} (Java {_version(apache.java)})", apache)
    servers = [server.strip() for server in setting.split(",")]
    if not all(re.fullmatch(r"[^\s:]+:\d+", server) for server in servers):
        raise StartError(f"KAFKA={setting} is not one of {_SETTINGS}")
    return Choice("external", ",".join(servers), f"the brokers at {','.join(servers)}")


async def _apache(cache: Path, say: Callable[[str], None]) -> ApacheKafka:
    java = await asyncio.to_thread(find_java)
    digest = hashlib.sha256(_POM.read_bytes()).hexdigest()[:12]
    libraries = cache / f"kafka-{digest}"
    if not libraries.exists():
        await _download(libraries, java, say)
    archive = cache / f"kafka-{digest}-java-{_version(java)}.jsa"
    return ApacheKafka(java, libraries, archive)


async def _download(libraries: Path, java: str, say: Callable[[str], None]) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise StartError("mvn (Maven), which downloads Apache Kafka, was not found")
    say(f"downloading {_title()} with Maven (45 MB, once) …")
    draft = libraries.with_name(f"{libraries.name}.{os.getpid()}")
    try:
        with tempfile.TemporaryDirectory(prefix="ordering-") as plain:
            # Maven changes some characters in the names of directories, such as backslashes.
            shutil.copy(_POM, plain)
            jars = Path(plain, "jars")
            status, output = await run_to_end(
                *death_signal_command(signal.SIGTERM),
                maven,
                *("-q", "-B", "-ntp", "-f", f"{plain}/{_POM.name}"),
                "dependency:copy-dependencies",
                f"-DoutputDirectory={jars}",
                *_repository(libraries.with_name("maven")),
                variables=environment.of_installers(**_home(java)),
            )
            if status != 0 or not await asyncio.to_thread(jars.is_dir):
                raise StartError(f"Maven could not download Apache Kafka\n{output}")
            await asyncio.to_thread(shutil.copytree, jars, draft)
        try:
            draft.rename(libraries)
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:  # another stack was as fast
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _repository(ours: Path) -> list[str]:
    """Return Maven's option for a repository of our own, where it could not write the user's."""
    with contextlib.suppress(KeyError):  # a container may run as a user that has no entry
        users = Path(pwd.getpwuid(os.geteuid()).pw_dir, ".m2")  # Java goes by this, not by HOME
        while not users.exists():
            users = users.parent
        if os.access(users, os.W_OK):
            return []
    return [f"-Dmaven.repo.local={ours}"]


def _home(java: str) -> dict[str, str]:
    """Return JAVA_HOME for Maven, which would otherwise insist on a wrong one of the user's."""
    home = Path(java).resolve().parent.parent
    return {"JAVA_HOME": str(home)} if (home / "release").is_file() else {}


def find_java() -> str:
    """Find Java: JAVA_HOME's if it is new enough, else PATH's. Raises StartError."""
    problem = f"java ({_OLDEST_JAVA} or newer) was not found"
    for path in (f"{os.environ.get('JAVA_HOME')}/bin", None):
        java = shutil.which("java", path=path)
        if java is None:
            continue
        try:
            version = _version(java)
        except (OSError, StartError) as error:
            problem = f"{java} cannot be used: {error}"
            continue
        if int(version.split(".")[0]) >= _OLDEST_JAVA:
            return java
        problem = f"Java {_OLDEST_JAVA} or newer is needed, and {java} is Java {version}"
    raise StartError(problem)


def _version(java: str) -> str:
    release = Path(java).resolve().parent.parent / "release"  # saves starting it, half a second
    if release.exists():
        text = release.read_text()
        found = re.search(r'JAVA_VERSION="([\d.]+)', text)
    else:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
        found = re.search(r'version "([\d.]+)', answer.stderr)
    if found is None:
        raise StartError(f"{java} does not report its version")
    return found[1].rstrip(".")


def _title() -> str:
    # S314: the file is part of this repository.
    project = ET.parse(_POM)  # noqa: S314
    namespace = {"m": "http://maven.apache.org/POM/4.0.0"}
    for dependency in project.iterfind(".//m:dependency", namespace):
        if dependency.findtext("m:groupId", namespaces=namespace) == "org.apache.kafka":
            return f"Apache Kafka {dependency.findtext('m:version', namespaces=namespace)}"
    raise StartError(f"{_POM} does not name Apache Kafka")
