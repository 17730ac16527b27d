"""What a runner leaves in its state directory, for the next one."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from infra.local.servers.child import StartError
from infra.local.servers.ports import Ports
from infra.local.stack_record import (
    ChildRecord,
    StackRecord,
    StateLock,
    child_record,
    end_orphans,
    lock_holder,
    read_record,
    write_record,
)


def a_record(**children: ChildRecord) -> StackRecord:
    return StackRecord(
        pid=1,
        started_at=0.0,
        ready=True,
        ports=Ports.from_base(3000),
        api_url="http://127.0.0.1:3000",
        issuer="http://127.0.0.1:3000/issuer",
        invoke_url="http://127.0.0.1:3001",
        kafka="none",
        bootstrap_servers="127.0.0.1:3004",
        pgpass="pgpass",
        children=children,
    )


def test_a_state_directory_has_one_runner(tmp_path: Path) -> None:
    lock = StateLock(tmp_path)
    assert lock_holder(tmp_path) is None
    lock.acquire()
    assert lock_holder(tmp_path) == os.getpid()
    with pytest.raises(StartError, match=rf"running here already \(pid {os.getpid()}\)"):
        StateLock(tmp_path).acquire()
    write_record(tmp_path, replace(a_record(), pid=os.getpid()))
    with pytest.raises(StartError, match=r"http://127\.0\.0\.1:3000\)"):
        StateLock(tmp_path).acquire()
    lock.release()
    assert lock_holder(tmp_path) is None


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_record(tmp_path) is None
    record = a_record(kafka=ChildRecord(7, 1.5))
    write_record(tmp_path, record)
    assert read_record(tmp_path) == record


def test_processes_that_a_killed_runner_has_left_are_ended(tmp_path: Path) -> None:
    with subprocess.Popen(["/bin/sleep", "60"]) as orphan:
        left = child_record(orphan.pid)
        assert left is not None
        write_record(tmp_path, a_record(kafka=left))
        assert end_orphans(tmp_path) == ["kafka"]
    assert read_record(tmp_path) is None


def test_a_process_that_only_has_the_pid_of_one_of_ours_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen(["/bin/sleep", "60"]) as stranger:
        write_record(tmp_path, a_record(kafka=ChildRecord(stranger.pid, 1.0)))
        assert end_orphans(tmp_path) == []
        assert stranger.poll() is None
        stranger.kill()
