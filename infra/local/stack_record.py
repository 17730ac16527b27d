"""What a running stack leaves in its state directory: a lock, and where everything is."""

import fcntl
import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import psutil

from infra.local.servers.child import StartError
from infra.local.servers.orphans import end, runs
from infra.local.servers.ports import Ports

_LOCK: Final = "stack.lock"
_RECORD: Final = "stack.json"


@dataclass(frozen=True)
class ChildRecord:
    """A process of the stack; `created` is Unix time, since a pid can be used again."""

    pid: int
    created: float


@dataclass(frozen=True)
class StackRecord:
    """A running stack: its process, its ports and children by name. Times are Unix times."""

    pid: int
    started_at: float
    ready: bool
    ports: Ports
    api_url: str
    issuer: str
    invoke_url: str
    kafka: str
    bootstrap_servers: str
    pgpass: str
    children: Mapping[str, ChildRecord]
    scope_prefix: str = ""


class StateLock:
    """Held by the one runner that works in a state directory, and free as soon as that is gone."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._fd = -1

    @property
    def held(self) -> bool:
        """Whether this process has it."""
        return self._fd >= 0

    def acquire(self) -> None:
        """Take the lock; raises StartError that names the stack that has it."""
        self._state_dir.mkdir(parents=True, exist_ok=True)
        fd = os.open(self._state_dir / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            pid, record = lock_holder(self._state_dir), read_record(self._state_dir)
            url = f", {record.api_url}" if record is not None and record.pid == pid else ""
            raise StartError(
                f"a stack is running here already (pid {pid}{url}); `make down` stops it"
            ) from None
        os.ftruncate(fd, 0)
        os.write(fd, str(os.getpid()).encode())
        self._fd = fd

    def release(self) -> None:
        """Give it back."""
        os.ftruncate(self._fd, 0)
        os.close(self._fd)
        self._fd = -1


def lock_holder(state_dir: Path) -> int | None:
    """Return the pid of the runner that works in that state directory; None when there is none."""
    try:
        fd = os.open(state_dir / _LOCK, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if pid := os.pread(fd, 20, 0):
                    return int(pid)
                time.sleep(0.001)  # it writes its pid right after it has got the lock
            else:
                return None
    finally:
        os.close(fd)


def is_locked(state_dir: Path) -> bool:
    """Return whether a runner works in that state directory."""
    return lock_holder(state_dir) is not None


def read_record(state_dir: Path) -> StackRecord | None:
    """Return what the latest runner left, whether it still runs or not; None without one."""
    try:
        fields = json.loads((state_dir / _RECORD).read_text())
    except FileNotFoundError:
        return None
    children = {name: ChildRecord(**child) for name, child in fields.pop("children").items()}
    return StackRecord(**{**fields, "ports": Ports(**fields["ports"]), "children": children})


def write_record(state_dir: Path, record: StackRecord) -> None:
    """Replace the record."""
    path = state_dir / _RECORD
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(asdict(record), indent=2))
    draft.replace(path)


def remove_record(state_dir: Path) -> None:
    """Forget the record: nothing of the stack is left."""
    (state_dir / _RECORD).unlink(missing_ok=True)


def child_record(pid: int) -> ChildRecord | None:
    """Return the record of a running process of the stack; None when it has just ended."""
    try:
        return ChildRecord(pid, psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def end_orphans(state_dir: Path) -> list[str]:
    """End what a killed runner has left behind, and return its names.

    Where it can, the kernel has sent them a signal to end; this waits for that, then kills them.
    What survives even that is not tried again at later starts.
    """
    record = read_record(state_dir)
    if record is None:
        return []
    orphans: dict[str, psutil.Process] = {}
    for name, child in record.children.items():
        try:
            process = psutil.Process(child.pid)
            if abs(process.create_time() - child.created) < 1 and runs(process):
                orphans[name] = process
        except psutil.Error:  # it has ended
            continue
    end(orphans.values())
    remove_record(state_dir)
    return list(orphans)
