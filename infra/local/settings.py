"""Where and how a stack runs on this machine."""

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from unicodedata import category

from infra.local.gateway.issuer import ISSUER_PATH
from infra.local.servers.child import StartError
from infra.local.servers.ports import DEFAULT_PORT, HOST, Ports

ROOT: Final = Path(__file__).resolve().parents[2]
DEFAULT_STATE: Final = ROOT / ".local"
AUDIENCE: Final = "ordering"


_ENVIRONMENT_MB: Final = 45  # a process with its function, and its connection's in PostgreSQL
_MEMORY_LIMITS: Final = (  # of a container, with either version of cgroups
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
_ACCOUNT_CONCURRENCY: Final = 1000  # Lambda's own quota
_OTHER_CONNECTIONS: Final = 150  # of the few more that each function may have, and of people


def _default_environments() -> int:
    """Return how many environments half of this machine's memory has room for."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for limit in _MEMORY_LIMITS:
        with contextlib.suppress(OSError, ValueError):  # ValueError: "max", which is none
            memory = min(memory, int(limit.read_text()))
    return min(_ACCOUNT_CONCURRENCY, max(16, memory // 2 // (_ENVIRONMENT_MB * 2**20)))


@dataclass(frozen=True)
class Settings:
    """One stack: all it keeps is in `state_dir`; `cache_dir` has downloads, and outlives a reset.

    `scope_prefix` comes before the names of the scopes, as Cognito's resource servers have it.
    `max_environments` is how many processes all functions together get on this machine, and
    `database_memory` what each database server keeps in memory (shared_buffers).
    """

    port: int = DEFAULT_PORT
    aws_port: int | None = None
    kafka: str = "auto"
    scope_prefix: str = ""
    state_dir: Path = DEFAULT_STATE
    cache_dir: Path = DEFAULT_STATE / "cache"
    template: Path = ROOT / "template.yaml"
    max_environments: int = field(default_factory=_default_environments)
    database_memory: str = "64MB"

    def require_usable_paths(self) -> None:
        """Raise StartError when a directory has a name that something here cannot take."""
        for path in (ROOT, self.state_dir, self.cache_dir):
            shown = os.fsencode(path).decode(errors="backslashreplace")
            if ":" in shown:
                raise StartError(
                    f"{shown} has a colon in it, which separates the paths of PYTHONPATH and of "
                    "Java's class path: move it"
                )
            if any(category(character) in {"Cc", "Cs"} for character in str(path)):
                raise StartError(
                    f"{shown!a} has a control character in it, or one that is not UTF-8: rename it"
                )

    @property
    def ports(self) -> Ports:
        """The port of each part. Raises StartError when there are no such ports."""
        return Ports.from_base(self.port, self.aws_port)

    @property
    def max_connections(self) -> int:
        """How many connections a database takes: one of each environment, and some."""
        return self.max_environments + _OTHER_CONNECTIONS

    @property
    def logs_dir(self) -> Path:
        """Where each part's log file is."""
        return self.state_dir / "logs"

    @property
    def pgpass(self) -> Path:
        """The password file (PGPASSFILE) for both databases."""
        return self.state_dir / "pgpass"

    @property
    def api_url(self) -> str:
        """The base of the HTTP contract."""
        return f"http://{HOST}:{self.port}"

    @property
    def issuer(self) -> str:
        """Who issues the access tokens."""
        return self.api_url + ISSUER_PATH

    def template_parameters(self, bootstrap_servers: str) -> dict[str, str]:
        """Return the values of the template's parameters here."""
        ports = self.ports
        return {
            "JwtIssuer": self.issuer,
            "JwtAudience": AUDIENCE,
            "ScopePrefix": self.scope_prefix,
            "WriteDatabaseHost": HOST,
            "WriteClusterHost": HOST,
            "WriteDatabasePort": str(ports.write_database),
            "ReadDatabaseHost": HOST,
            "ReadClusterHost": HOST,
            "ReadDatabasePort": str(ports.read_database),
            "DatabaseAuthentication": "password-file",
            "KafkaClusterArn": "arn:aws:kafka:us-east-1:000000000000:cluster/local/0",
            "KafkaBootstrapServers": bootstrap_servers,
            "KafkaAuthentication": "none",
            "TopicReplicas": "1",
            "TopicMinInsyncReplicas": "1",
            "MigrationsDirectory": str(ROOT / "infra" / "migrations"),
            "SubnetIds": "subnet-local",
            "SecurityGroupIds": "sg-local",
        }

    def function_environment(self) -> dict[str, str]:
        """Return what functions find in their environment beside the template's variables."""
        ports = self.ports
        aws = f"{HOST}:{ports.aws}"
        return {
            "PGPASSFILE": str(self.pgpass),
            # The servers here speak neither; asking costs each connection two round trips.
            "PGSSLMODE": "disable",
            "PGGSSENCMODE": "disable",
            "LOCALSTACK_HOST": aws,
            "AWS_ENDPOINT_URL": f"http://{aws}",
            "AWS_ENDPOINT_URL_LAMBDA": f"http://{HOST}:{ports.invoke}",
        }
