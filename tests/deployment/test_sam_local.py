"""Functions in AWS SAM's containers beside a running stack, where containers can run."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from infra.local.sam.engine import Engine
from infra.local.sam.image import ARCHITECTURE
from infra.local.settings import ROOT
from tests.running_stack import RunningStack, running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FUNCTIONS: Final = {"PlaceOrder": 201, "GetReadModels": 200, "OrderDetails": None}
"""One of each kind; `make sam-invoke FUNCTION=all` runs all of them."""
NO_CONTAINERS: Final = 3  # the exit status of infra.local.sam


def sam_local(stack: RunningStack, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "infra.local.sam", f"--state-dir={stack.state}", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    state = tmp_path_factory.mktemp("stack")
    state.chmod(0o755)
    with running_stack(state, "embedded") as stack:
        build = ["make", "sam-build", f"ARCHITECTURE={ARCHITECTURE}", f"VENV={sys.prefix}"]
        built = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
        assert built.returncode == 0, built.stdout + built.stderr
        try:
            set_up = sam_local(stack, "up")
            if set_up.returncode == NO_CONTAINERS:
                pytest.skip(f"no containers here: {set_up.stderr.strip()[-300:]}")
            assert set_up.returncode == 0, set_up.stdout + set_up.stderr
            yield stack
        finally:
            sam_local(stack, "down")


def test_a_function_of_each_kind_answers_its_sample_and_leaves_nothing(
    stack: RunningStack,
) -> None:
    for function, status in FUNCTIONS.items():
        done = sam_local(stack, "invoke", function)
        assert done.returncode == 0, done.stdout + done.stderr
        answer = json.loads(done.stdout.strip().splitlines()[-1])
        assert answer.get("statusCode") == status, answer
    # Of the stack itself: samples have databases of their own.
    with stack.write_database() as cursor:
        cursor.execute("select count(*) from orders")
        assert cursor.fetchone() == (0,)
    with stack.read_database() as cursor:
        cursor.execute("select count(*) from order_details")
        assert cursor.fetchone() == (0,)


def test_what_fails_is_told_although_sam_says_nothing(stack: RunningStack) -> None:
    """SAM's exit status is 0 when a function raises."""
    done = sam_local(stack, "invoke", "OrderDetails", "--event=events/migrate.json")
    assert done.returncode == 1
    assert "failed: OrderDetails" in done.stderr


def test_a_function_that_there_is_not_is_named(stack: RunningStack) -> None:
    done = sam_local(stack, "invoke", "NoSuch")
    assert done.returncode == 1
    assert "there is no 'NoSuch'; there are AddNote" in done.stderr


@pytest.mark.parametrize("gateway", [{"Gateway": "172.17.0.1"}, {"Gateway": ""}, {}])
def test_containers_reach_this_machine_by_the_networks_gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gateway: dict[str, str]
) -> None:
    """An engine that has just made its network names no gateway."""
    told = json.dumps([{"IPAM": {"Config": [{"Subnet": "172.17.0.0/16", **gateway}]}}])
    monkeypatch.setattr(Engine, "run", lambda *_: told)
    monkeypatch.setattr(sys, "platform", "linux")
    assert Engine(tmp_path).host_address() == "172.17.0.1"
