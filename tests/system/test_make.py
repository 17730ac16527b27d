"""The Makefile's targets as users call them, in a copy of this checkout with data of its own.

The copy is in a directory with an odd name, and the user has set variables for other work.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from infra.local.settings import DEFAULT_STATE
from tests.running_stack import ROOT, free_ports
from tests.shared import HOSTILE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.system


ODD = "\u00e9 \u65e5, a\"b'c\\d $x#%p & (e);f"


class Clone:
    """A copy of the checkout that shares what is installed and downloaded with this one."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_ports()
        self.kafka = os.environ.get("KAFKA") or "auto"
        ignored = shutil.ignore_patterns(".*", "__pycache__")
        shutil.copytree(ROOT, directory, ignore=ignored, dirs_exist_ok=True)
        os.utime(directory / "requirements.lock", (0, 0))  # what is installed is up to date
        (directory / ".venv").symlink_to(ROOT / ".venv")
        (directory / ".local").mkdir()
        (DEFAULT_STATE / "cache").mkdir(parents=True, exist_ok=True)
        (directory / ".local" / "cache").symlink_to(DEFAULT_STATE / "cache")

    def make(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.shell('make -s "$@"', *arguments)

    def shell(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        given = (*arguments, f"PORT={self.port}", f"KAFKA={self.kafka}")
        return subprocess.run(
            ["bash", "-c", f"umask 077; {script}", "bash", *given],  # noqa: S607 - the user's own shell
            cwd=self.directory,
            env={"PATH": os.environ["PATH"], **HOSTILE},
            capture_output=True,
            text=True,
            check=False,
        )

    def output_of(self, *arguments: str) -> str:
        """Return what a target prints that succeeds and complains of nothing."""
        done = self.make(*arguments)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        return done.stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    clone = Clone(tmp_path_factory.mktemp("clone") / ODD)
    yield clone
    clone.make("down")


@pytest.fixture(scope="module")
def greeting(clone: Clone) -> str:
    """What `make up DETACH=1` has printed when the stack was ready."""
    return clone.output_of("up", "DETACH=1")


def claims(token: str) -> dict[str, Any]:
    assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+\n", token)
    found: dict[str, Any] = jwt.decode(token.strip(), options={"verify_signature": False})
    return found


def test_make_up_tells_how_it_goes_and_what_has_no_effect_here(greeting: str) -> None:
    assert "\nready\n" in greeting
    assert greeting.count("only in the cloud, without effect here: ") == 1
    assert "✗" not in greeting


def test_the_lines_that_make_up_prints_work_word_for_word(greeting: str) -> None:
    _, _, lines = greeting.partition("TOKEN=")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"TOKEN={lines}"],  # noqa: S607 - the user's own shell
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.findall(r"^HTTP/1.1 (\d+)", done.stdout, re.MULTILINE) == ["201", "200"]
    placed, listed = re.findall(r"^\{.*\}", done.stdout, re.MULTILINE)
    assert json.loads(placed)["status"] == "placed"
    assert "items" in json.loads(listed)


@pytest.mark.usefixtures("greeting")
def test_make_token_prints_a_token_and_nothing_else(clone: Clone) -> None:
    operator, customer = clone.output_of("token"), clone.output_of("token", "CUSTOMER=ALFKI")
    assert "orders:operate" in claims(operator)["scope"]
    assert "orders:operate" not in claims(customer)["scope"]
    assert claims(customer)["customer_id"] == "ALFKI"
    checkout = clone.output_of("token", "SCOPES=orders:read orders:sell", "CUSTOMER=O'Neil")
    assert claims(checkout)["scope"] == "orders:read orders:sell"
    assert claims(checkout)["customer_id"] == "O'Neil"
    refused = clone.make("token", "SCOPES=orders:ship")
    assert refused.returncode != 0
    assert "there are orders:read, orders:write, orders:sell, orders:operate" in refused.stderr
    assert claims(operator)["iss"] == f"http://127.0.0.1:{clone.port}/issuer"


@pytest.mark.usefixtures("greeting")
@pytest.mark.parametrize("target", ["status", "token", "logs", "help", "up"])
def test_a_reader_that_has_seen_enough_gets_no_traceback(clone: Clone, target: str) -> None:
    done = clone.shell('make -s "$@" | true', target)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.usefixtures("greeting")
def test_everything_is_within_the_copy(clone: Clone) -> None:
    kinds = (clone.directory / ".local" / "kafka.kind").read_text().split()
    assert (clone.directory / ".local" / "kafka" / kinds[0] / "data").is_dir()
    assert [path.name for path in clone.directory.parent.iterdir()] == [ODD]


@pytest.mark.usefixtures("greeting")
def test_a_second_make_up_says_that_one_runs_and_leaves_it_alone(clone: Clone) -> None:
    done = clone.make("up", "DETACH=1")
    assert done.returncode != 0
    assert f"http://127.0.0.1:{clone.port}); `make down` stops it" in done.stdout
    assert f"http://127.0.0.1:{clone.port} " in clone.output_of("status")


@pytest.mark.usefixtures("greeting")
def test_make_down_and_make_reset_end_it(clone: Clone) -> None:
    assert clone.output_of("down") == "stopped\n"
    assert clone.output_of("down") == "nothing is running\n"
    assert clone.make("status").returncode != 0
    demo = clone.make("demo")
    assert demo.returncode != 0
    assert "start one with `make up`" in demo.stderr
    assert clone.output_of("reset") == "all data is forgotten\n"
    assert not (clone.directory / ".local" / "postgres").exists()
    assert (clone.directory / ".local" / "cache").is_symlink()
