"""What a runner leaves in its state directory, for the next one."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from infra.local.servers import orphans
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
from tests.shared import eventually


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


@pytest.mark.parametrize(
    ("orphan", "ended"),
    [
        ("set -m; sleep 60 &", ["kafka"]),
        ("sleep 60 &", ["kafka"]),  # SIGINT is ignored by what a script starts like this
        ("sleep 1 &", []),
    ],
)
def test_an_orphan_that_nobody_waits_for_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, orphan: str, ended: list[str]
) -> None:
    monkeypatch.setattr(orphans, "_PATIENCE_SECONDS", 1.0)
    neglectful = ["/bin/bash", "-c", f"{orphan} echo $!; exec sleep 60"]
    with subprocess.Popen(neglectful, stdout=subprocess.PIPE, text=True) as parent:
        try:
            assert parent.stdout is not None
            process = psutil.Process(int(parent.stdout.readline()))
            # The shell itself would still wait for its child.
            eventually(lambda: psutil.Process(parent.pid).name() == "sleep")
            left = child_record(process.pid)
            assert left is not None
            write_record(tmp_path, a_record(kafka=left))
            if not ended:
                eventually(lambda: process.status() == psutil.STATUS_ZOMBIE)
            assert end_orphans(tmp_path) == ended
            assert process.status() == psutil.STATUS_ZOMBIE
            assert read_record(tmp_path) is None
        finally:
            parent.kill()


def test_a_process_that_only_has_the_pid_of_one_of_ours_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen(["/bin/sleep", "60"]) as stranger:
        write_record(tmp_path, a_record(kafka=ChildRecord(stranger.pid, 1.0)))
        assert end_orphans(tmp_path) == []
        assert stranger.poll() is None
        stranger.kill()
