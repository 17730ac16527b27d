"""A Docker engine for AWS SAM: the one that runs, or one of our own where this user is root."""

import contextlib
import ipaddress
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import psutil

from infra.local.servers.child import StartError

_PACKAGES: Final = ("docker.io", "iptables")
_START_SECONDS: Final = 30
_ASK_SECONDS: Final = 10


class NoContainersError(StartError):
    """This machine has no engine or no image, and neither can be had here; the message says why."""


class Engine:
    """An engine for containers; its files, and what it needs to be stopped, are in `directory`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._socket = directory / "docker.sock"
        self._pid = directory / "dockerd.pid"

    @property
    def variables(self) -> dict[str, str]:
        """The environment in which Docker's and SAM's commands find it."""
        own = {"DOCKER_HOST": f"unix://{self._socket}"} if self._socket.exists() else {}
        return {**os.environ, **own}

    def start(self) -> None:
        """Find one, or start one of our own.

        Raises:
            NoContainersError: there is none, and none can be started; the message says what to do.
        """
        if self._answers():
            return
        if sys.platform != "linux" or os.geteuid() != 0:
            raise NoContainersError(
                "no Docker engine answers: start Docker (or Finch, or Podman's socket), or set"
                " DOCKER_HOST; as root on Debian one is installed and started here"
            )
        if shutil.which("dockerd") is None:
            install(*_PACKAGES)
        self._directory.mkdir(parents=True, exist_ok=True)
        with (self._directory / "dockerd.log").open("w") as log:
            subprocess.Popen(
                [
                    "dockerd",
                    f"--data-root={self._directory / 'data'}",
                    f"--exec-root={self._directory / 'run'}",
                    f"--pidfile={self._pid}",
                    f"--host=unix://{self._socket}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if time.monotonic() > deadline:
                raise NoContainersError(f"dockerd does not start: see {log.name}")
            time.sleep(0.2)

    def stop(self) -> None:
        """Stop the engine if it is our own."""
        with contextlib.suppress(OSError, ValueError, psutil.NoSuchProcess):
            process = psutil.Process(int(self._pid.read_text()))
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=_START_SECONDS)
        self._socket.unlink(missing_ok=True)

    def run(self, *arguments: str, stdin: int | None = None) -> str:
        """Run a docker command and return what it prints.

        Raises:
            StartError: it fails.
        """
        command = ["docker", *arguments]
        done = subprocess.run(
            command, env=self.variables, stdin=stdin, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise StartError(f"{' '.join(command[:3])}: {done.stderr.strip()}")
        return done.stdout

    def succeeds(self, *arguments: str, seconds: float) -> bool:
        """Run a docker command; return whether it succeeds in that time."""
        try:
            done = subprocess.run(
                ["docker", *arguments],
                env=self.variables,
                capture_output=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0

    def host_address(self) -> str:
        """Return by which name containers reach this machine."""
        if sys.platform != "linux":
            return "host.docker.internal"
        (network,) = json.loads(self.run("network", "inspect", "bridge"))
        config = network["IPAM"]["Config"][0]
        # An engine that has just made the network does not name its gateway yet: it is the first.
        first = next(ipaddress.ip_network(config["Subnet"]).hosts())
        return str(config.get("Gateway") or first)

    def _answers(self) -> bool:
        if shutil.which("docker") is None:
            return False
        return self.succeeds("version", "--format", "{{.Server.Version}}", seconds=_ASK_SECONDS)


def install(*packages: str) -> None:
    """Install Debian's packages.

    Raises:
        NoContainersError: this system has none of them, or they cannot be had.
    """
    if shutil.which("apt-get") is None:
        raise NoContainersError(f"install {' and '.join(packages)}, then try again")
    variables = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
        done = subprocess.run(
            ["apt-get", "-qq", *arguments],
            env=variables,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise NoContainersError(f"apt-get {arguments[0]}: {done.stderr.strip()[-500:]}")
