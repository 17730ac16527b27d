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

    def make(self, *, fails: str = "nothing") -> tuple[int, list[str]]:
        """Make what every target needs; gives the exit status and what was run for it."""
        self.notes.write_text("")
        done = subprocess.run(
            ["make", "-s", ".venv/.ready", f"PYTHON={self.directory}/python"],  # noqa: S607 - the user's own make
            cwd=self.directory,
            env={"PATH": "/usr/bin:/bin", "NOTES": str(self.notes), "FAILS": fails},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout == ""
        return done.returncode, self.notes.read_text().splitlines()


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
