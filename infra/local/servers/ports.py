"""Which port each part of the stack listens on, and whether they are free."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import psutil

from infra.local.servers.child import StartError

HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 3000
_LOCALSTACK_PORT: Final = 4566
_LAST_PORT: Final = 65_535


@dataclass(frozen=True)
class Ports:
    """One port per part, counted up from the API's; moto is on LocalStack's if that is 3000."""

    api: int
    invoke: int
    write_database: int
    read_database: int
    kafka: int
    kafka_controller: int
    aws: int

    @classmethod
    def from_base(cls, base: int = DEFAULT_PORT, aws: int | None = None) -> "Ports":
        """Count up from `base`; `aws` replaces moto's. Raises StartError when out of range."""
        if not 0 < base <= _LAST_PORT - 6:
            raise StartError(f"PORT={base}: the stack needs 7 ports from there, up to {_LAST_PORT}")
        if aws is None:
            aws = _LOCALSTACK_PORT if base == DEFAULT_PORT else base + 6
        if not 0 < aws <= _LAST_PORT:
            raise StartError(f"AWS_PORT={aws} is no port number")
        return cls(base, base + 1, base + 2, base + 3, base + 4, base + 5, aws)

    def require_free(self, *, broker: bool = True, aws_services: bool = True) -> None:
        """Raise StartError that names each port in use, what it is for, and who has it.

        Without `broker` the two ports of Kafka are not needed: it runs elsewhere. Without
        `aws_services` moto's is not: the template asks for none.
        """
        uses: dict[str, tuple[int, str]] = {
            "the HTTP API": (self.api, "PORT"),
            "Lambda's Invoke API": (self.invoke, "PORT"),
            "the write database": (self.write_database, "PORT"),
            "the read database": (self.read_database, "PORT"),
        }
        if aws_services:
            uses["AWS services (moto)"] = (self.aws, "AWS_PORT")
        if broker:
            uses["Kafka"] = (self.kafka, "PORT")
            uses["Kafka's controller"] = (self.kafka_controller, "PORT")
        taken = {name: use for name, use in uses.items() if not _is_free(use[0])}
        if taken:
            raise StartError(_explanation(taken, self.api))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As all of the servers do: connections of an earlier run that linger are no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
        return True


def _explanation(taken: Mapping[str, tuple[int, str]], base: int) -> str:
    owners = _listeners()
    lines = [
        f"port {port}, for {name}, is taken{owners.get(port, '')}; choose with {setting}="
        for name, (port, setting) in taken.items()
    ]
    settings = {setting for _, setting in taken.values()}
    other = {"PORT": f"PORT={base + 100}", "AWS_PORT": "AWS_PORT=14566"}
    example = " ".join(other[setting] for setting in sorted(settings, reverse=True))
    return "\n".join([*lines, f"for example: make up {example}"])


def _listeners() -> dict[int, str]:
    """Return, by port, who listens there; only what this user may know."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return {}
    owners: dict[int, str] = {}
    for connection in connections:
        address = connection.laddr
        if connection.status != psutil.CONN_LISTEN or connection.pid is None or not address:
            continue
        try:
            command = " ".join(psutil.Process(connection.pid).cmdline())[:80]
        except psutil.Error:  # it has just ended, or is another user's
            command = ""
        owners[address.port] = f" by process {connection.pid} ({command})"
    return owners


def accepts_connections(port: int) -> bool:
    """Return whether a process listens on that port of this machine."""
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex((HOST, port)) == 0
