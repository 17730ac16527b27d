"""The commands of the Makefile: what an engineer types, and what it says."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING

import psutil
import pytest

from infra.local.settings import ROOT
from tests.running_stack import RunningStack, free_ports, leave_to_apache

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.system


def test_a_second_up_says_that_one_is_running(stack: RunningStack) -> None:
    leave_to_apache(stack)
    second = stack.run("up", "--detach")
    assert second.returncode == 1
    output = second.stdout + second.stderr
    assert f"a stack is running here already (pid {stack.record.pid}, {stack.url})" in output
    assert stack.call("GET", "/read-models").status == 200


def test_a_port_that_is_taken_is_named(stack: RunningStack, tmp_path: Path) -> None:
    other = RunningStack(tmp_path, stack.port, "embedded")
    refused = other.run("up", "--detach")
    assert refused.returncode == 1
    output = refused.stdout + refused.stderr
    assert f"port {stack.port}, for the HTTP API, is taken by process {stack.record.pid}" in output
    assert "PORT=" in output


def test_status_names_every_part_and_token_prints_nothing_but_the_token(
    stack: RunningStack,
) -> None:
    status = stack.run("status").stdout
    for part in (stack.url, "runner", "write database", "PublishEvents", "total"):
        assert part in status
    token = stack.run("token", "--customer", "ALFKI").stdout.removesuffix("\n")
    listed = stack.call("GET", "/customers/ALFKI/orders", authorization=f"Bearer {token}")
    assert listed.status == 200
    hidden = stack.call("GET", "/customers/ANATR/orders", authorization=f"Bearer {token}")
    assert hidden.status == 404


def test_where_nothing_runs_the_commands_say_so(tmp_path: Path) -> None:
    nowhere = RunningStack(tmp_path, free_ports(), "embedded")
    assert nowhere.run("down").stdout == "nothing is running\n"
    assert nowhere.run("status").stdout == "nothing is running\n"


def test_an_unknown_kind_of_broker_is_refused(tmp_path: Path) -> None:
    refused = RunningStack(tmp_path, free_ports(), "rabbits").run("up", "--detach")
    assert refused.returncode == 1
    assert "KAFKA=rabbits" in refused.stdout + refused.stderr


def test_ctrl_c_leaves_no_process_the_data_stays_and_reset_forgets_it(tmp_path: Path) -> None:
    stack = RunningStack(tmp_path, free_ports(), "embedded")
    foreground = subprocess.Popen(
        stack.command("up"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT
    )
    assert foreground.stdout is not None
    try:
        lines: list[str] = []
        for line in foreground.stdout:
            lines.append(line)
            if line.strip() == "ready":
                break
        assert lines[-1].strip() == "ready", "".join(lines)
        placed = stack.place()
        order = placed.body["order_id"]
        assert stack.read(order, placed.token).status == 200
        processes = psutil.Process(foreground.pid).children(recursive=True)
        assert len(processes) > 5
        foreground.send_signal(signal.SIGINT)
        output, _ = foreground.communicate(timeout=20)
    finally:
        foreground.kill()
    assert foreground.returncode == 0, output
    assert not [process for process in processes if process.is_running()]
    try:
        stack.start()
        assert stack.call("GET", f"/orders/{order}").status == 200
        assert stack.run("reset").stdout == "all data is forgotten\n"
        stack.start()
        assert stack.call("GET", f"/orders/{order}").status == 404
    finally:
        stack.run("down")
