"""What a developer has set for other work changes nothing in the stack."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING

import pytest

from infra.local import environment
from infra.local.servers import kafka_install
from infra.local.servers.child import StartError, run_to_end
from infra.local.settings import Settings
from tests.running_stack import ROOT
from tests.shared import HOSTILE

if TYPE_CHECKING:
    from pathlib import Path

PROXIES = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY"), "http://127.0.0.1:1")


def test_nothing_that_libraries_go_by_stays_as_the_user_has_it() -> None:
    variables = {**HOSTILE, "PATH": "/bin", "KAFKA": "embedded", "AWS_PORT": "1"}
    environment.clean(variables)
    changed = {name for name, value in HOSTILE.items() if variables.get(name) == value}
    assert changed == {"HOME", "TZ", "JAVA_HOME"}
    assert (variables["KAFKA"], variables["AWS_PORT"]) == ("embedded", "1")


def test_no_proxy_is_asked_for_what_is_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {**PROXIES, "NO_PROXY": "example.org"}
    environment.clean(variables)
    environment.clean(variables)
    assert variables["NO_PROXY"] == "example.org,127.0.0.1,localhost"
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert urllib.request.proxy_bypass("127.0.0.1:4566")
    assert not urllib.request.proxy_bypass("repository.example")


def test_servers_get_an_environment_made_from_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**HOSTILE, **PROXIES}.items():
        monkeypatch.setenv(name, value)
    program = "import os; print(*os.environ)"
    _, output = asyncio.run(run_to_end(sys.executable, "-c", program))
    assert set(output.split()) == {"PATH", *environment.of_servers()}
    assert not {"http_proxy", "HOME", "PGHOST", "KAFKA_OPTS"} & set(output.split())


@pytest.mark.parametrize("encoding", ["ascii", "utf-16"])
def test_commands_work_without_the_makefile_too(tmp_path: Path, encoding: str) -> None:
    state = tmp_path / "\u00e9"
    variables = {**HOSTILE, "PYTHONIOENCODING": encoding, "PYTHONPATH": str(ROOT)}
    del variables["PYTHONHOME"], variables["PYTHONSAFEPATH"]
    done = subprocess.run(
        [sys.executable, "-m", "infra.local", "logs", f"--state-dir={state}"],
        env={"PATH": os.environ["PATH"], **variables},
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert done.stdout.decode() == (
        f"no detached stack has logged anything; each part's log is in {state}/logs\n"
    )
    assert done.stderr == b""


def test_of_several_javas_one_that_is_new_enough_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def java(home: str, version: str) -> str:
        program = tmp_path / home / "bin" / "java"
        program.parent.mkdir(parents=True)
        program.write_text("")
        program.chmod(0o755)
        (tmp_path / home / "release").write_text(f'JAVA_VERSION="{version}"\n')
        return str(program)

    old, new = java("old", "1.8.0"), java("new", "21.0.1")
    monkeypatch.setenv("PATH", str(tmp_path / "new" / "bin"))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "old"))
    assert kafka_install.find_java() == new
    monkeypatch.setenv("JAVA_HOME", "/nonexistent")
    assert kafka_install.find_java() == new
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "old"))
    with pytest.raises(StartError, match=f"17 or newer is needed, and {old} is Java 1.8.0"):
        kafka_install.find_java()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a:b", "a:b has a colon in it, which separates"),
        ("a\nb", "has a control character in it"),
        (os.fsdecode(b"\xe9"), r"\\xe9' has a control character in it, or one that is not UTF-8"),
    ],
)
def test_a_path_that_cannot_work_is_told_in_a_sentence(
    tmp_path: Path, name: str, reason: str
) -> None:
    with pytest.raises(StartError, match=reason):
        Settings(state_dir=tmp_path / name).require_usable_paths()
