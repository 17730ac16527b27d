"""The passwords of the local database roles: made at the first start, kept beside the data."""

import json
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

from infra.local.servers.ports import HOST
from infra.local.servers.postgres import DATABASE, OWNER, SUPERUSER

Passwords = dict[str, dict[str, str]]  # by cluster and role


def load_or_create_passwords(path: Path, roles: Mapping[str, Iterable[str]]) -> Passwords:
    """Return a password for each role of each cluster; new ones are added to the file `path`."""
    known: Passwords = json.loads(path.read_text()) if path.exists() else {}
    wanted: Passwords = {}
    for cluster, names in roles.items():
        kept = known.get(cluster, {})
        new = {role: secrets.token_urlsafe(24) for role in {SUPERUSER, OWNER, *names} - kept.keys()}
        wanted[cluster] = {**kept, **new}
    if wanted != known:
        write_private(path, json.dumps(wanted, indent=2))
    return wanted


def write_pgpass(path: Path, passwords: Passwords, ports: Mapping[str, int]) -> None:
    """Write libpq's password file for all roles; anew at each start, since ports may change."""
    lines = [
        f"{HOST}:{ports[cluster]}:*:{role}:{password}"
        if role == SUPERUSER
        else f"{HOST}:{ports[cluster]}:{DATABASE}:{role}:{password}"
        for cluster, roles in passwords.items()
        for role, password in roles.items()
    ]
    write_private(path, "\n".join(lines) + "\n")


def write_private(path: Path, text: str) -> None:
    """Replace a file as a whole with one that only its owner can read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)
