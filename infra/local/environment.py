"""What of the user's environment reaches the stack: where programs are, and the way to the network.

Variables that a developer has set for other work must not change what the stack does: libpq takes
every parameter that is not given from PG*, Java adds options from three variables, Kafka, boto3 and
Python have their own. The runner's own process is cleaned once, at its start; its servers get an
environment made from nothing.
"""

import os
from collections.abc import MutableMapping
from typing import Final

_DROPPED_PREFIXES: Final = (
    "PG",
    "PYTHON",
    "JAVA_",
    "JDK_",
    "_JAVA_",
    "KAFKA_",
    "AWS_",
    "BOTO",
    "LOCALSTACK",
    "MOTO_",
    "LC_",
)
_DROPPED: Final = {
    *("CLASSPATH", "JAVACMD", "LOG_DIR", "LANG", "LANGUAGE"),
    *("DEFAULT_REGION", "EDGE_PORT", "USE_SSL"),  # localstack-client's
}
# AWS_PORT is the stack's own option, JAVA_HOME says which Java there is.
_KEPT: Final = {"AWS_PORT", "JAVA_HOME"}
_OURS: Final = {
    "LC_ALL": "C.UTF-8",
    "PYTHONUTF8": "1",
    # The servers here speak neither; asking costs each connection two round trips.
    "PGSSLMODE": "disable",
    "PGGSSENCMODE": "disable",
    "PGSERVICEFILE": os.devnull,
    # A developer's own profile is none of the stack's business.
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
_LOOPBACK: Final = ("127.0.0.1", "localhost")


def clean(environment: MutableMapping[str, str] = os.environ) -> None:
    """Remove variables that change how this process, or a library in it, works."""
    for name in list(environment):
        dropped = name.startswith(_DROPPED_PREFIXES) or name in _DROPPED
        if dropped and name not in _KEPT:
            del environment[name]
    environment.update(_OURS)
    # boto3 would ask a proxy for the services of this machine.
    for name in ("no_proxy", "NO_PROXY"):
        kept = [host for host in environment.get(name, "").split(",") if host not in _LOOPBACK]
        environment[name] = ",".join([*filter(None, kept), *_LOOPBACK])


def of_servers() -> dict[str, str]:
    """Return the environment of a server of the stack."""
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    return {**kept, **_OURS, "TZ": "UTC"}


def of_installers(**changes: str) -> dict[str, str]:
    """Return the environment of npm or Maven: with the user's proxies, mirrors and certificates."""
    return {**os.environ, **changes}
