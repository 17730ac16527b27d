"""What `make` installs before its first target, with programs that only note what they are told."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
# Stands in for Python, pip and uv; `-m venv` puts it where they are expected.
PROGRAM = f"""#!/bin/sh
if test "$1" = -I
then
  shift
  exec {shlex.quote(sys.executable)} -I -c '
import runpy, sys
sys.executable = sys.argv.pop(1)
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
' "$0" "$@"
fi
echo "$(basename "$0") $*" >> "$NOTES"
echo "something for people"
test -z "$PIP_TARGET$PYTHONHOME" || exit 1
case "$*" in
  *"-m venv"*) mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
esac
case "$*" in *"$FAILS"*) exit 1 ;; esac
"""
NEW = ["-m venv --clear .venv", "-m pip install", "-m uv pip install --quiet"]


class Clone:
    """A directory with the Makefile, in which programs are stood in for."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.notes = directory / "notes"
        self.ready = directory / ".venv" / ".ready"
        for name in ("Makefile", "requirements.lock", "infra/local/install.py"):
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, directory / name)
        (directory / "python").write_text(PROGRAM)
        (directory / "python").chmod(0o755)

    def make(self, *, fails: str = "nothing", **variables: str) -> tuple[int, list[str]]:
        """Make what every target needs; returns the exit status and what was run for it."""
        self.notes.write_text("")
        with self.started(FAILS=fails, **variables) as making:
            out, _ = making.communicate()
        assert out == b""
        return making.returncode, self.notes.read_text().splitlines()

    def started(self, **variables: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["make", "-s", ".venv/.ready", f"PYTHON={self.directory}/python"],  # noqa: S607 - the user's own make
            cwd=self.directory,
            env={"PATH": "/usr/bin:/bin", "NOTES": str(self.notes), **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


def assert_ran(lines: list[str], expected: list[str]) -> None:
    assert len(lines) == len(expected)
    for line, part in zip(lines, expected, strict=True):
        assert part in line


def test_a_fresh_clone_gets_everything_once(clone: Clone) -> None:
    status, ran = clone.make()
    assert status == 0
    assert_ran(ran, NEW)
    assert clone.make() == (0, [])


@pytest.mark.parametrize("interrupted", ["-m pip", "-m uv pip install"])
def test_an_installation_that_was_interrupted_is_begun_anew(clone: Clone, interrupted: str) -> None:
    clone.make(fails=interrupted)
    assert not clone.ready.exists()
    status, ran = clone.make()
    assert status == 0
    assert_ran(ran, NEW)


def test_an_environment_of_which_only_the_interpreter_is_there_is_begun_anew(clone: Clone) -> None:
    (clone.directory / ".venv" / "bin").mkdir(parents=True)
    shutil.copy(clone.directory / "python", clone.directory / ".venv" / "bin" / "python")
    _, ran = clone.make()
    assert_ran(ran, NEW)


def test_other_versions_are_installed_over_the_old_ones(clone: Clone) -> None:
    clone.make()
    os.utime(clone.ready, (0, 0))
    status, ran = clone.make()
    assert status == 0
    assert_ran(ran, NEW[1:])


def test_an_update_that_was_interrupted_is_begun_anew(clone: Clone) -> None:
    clone.make()
    os.utime(clone.ready, (0, 0))
    clone.make(fails="-r requirements.lock")
    assert_ran(clone.make()[1], NEW)


def test_of_two_installations_at_once_one_waits_and_finds_everything_there(clone: Clone) -> None:
    clone.notes.write_text("")
    with clone.started(FAILS="nothing") as first, clone.started(FAILS="nothing") as second:
        first.communicate()
        second.communicate()
    assert (first.returncode, second.returncode) == (0, 0)
    assert_ran(clone.notes.read_text().splitlines(), NEW)


def test_what_would_install_elsewhere_is_not_handed_on(clone: Clone) -> None:
    assert clone.make(PIP_TARGET="/nowhere", PYTHONHOME="/nowhere")[0] == 0


@pytest.mark.parametrize("name", ["HOME", "XDG_CACHE_HOME", "UV_CACHE_DIR"])
def test_without_a_cache_that_can_be_written_uv_does_without(clone: Clone, name: str) -> None:
    assert "--no-cache" in clone.make(**{name: "/proc/nowhere"})[1][-1]
    clone.ready.unlink()
    assert "--no-cache" not in clone.make(HOME=str(clone.directory))[1][-1]
