"""Makes the virtual environment that everything else runs in. Needs the standard library only.

Called by the Makefile, with the directory of the environment, the version of uv, and the file of
requirements where that is another than requirements.lock. All that it says goes to stderr, so that
`make -s token` prints the token only.
"""

import fcntl
import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

OLDEST = (3, 11)
# They would install elsewhere than into the environment. Mirrors and proxies are the user's.
DROPPED = (
    *("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_PYTHON", "PIP_DRY_RUN"),
    *("UV_TARGET", "UV_PREFIX", "UV_SYSTEM_PYTHON", "UV_PYTHON", "UV_PROJECT_ENVIRONMENT"),
)


def main(venv: Path, uv_version: str, requirements: Path = Path("requirements.lock")) -> None:
    """Install what `requirements` names into `venv`; nothing is done where that is up to date."""
    if sys.version_info < OLDEST:
        found = sys.version.split()[0]
        fail(f"Ordering needs Python 3.11 or newer; this is {found}. Name another with PYTHON=.")
    for name in DROPPED:
        os.environ.pop(name, None)
    os.umask(0o022)  # PostgreSQL's programs may be run by another user
    # Two first `make up` at once: one waits for the other.
    fcntl.flock(os.open(requirements, os.O_RDONLY), fcntl.LOCK_EX)
    # Without it the environment is new, or its installation was interrupted: it is begun anew.
    ready = venv / ".ready"
    if ready.exists() and ready.stat().st_mtime >= requirements.stat().st_mtime:
        return
    print(f"Installing into {venv} (once) …", file=sys.stderr)
    python = str(venv / "bin" / "python")
    if not ready.exists():
        run(sys.executable, "-m", "venv", "--clear", str(venv))
    ready.unlink(missing_ok=True)
    quiet = [] if sys.stderr.isatty() else ["--quiet"]
    pip = (python, "-m", "pip", "install", *quiet, "--disable-pip-version-check")
    run(*pip, f"uv=={uv_version}")
    uv = (python, "-m", "uv", "pip", "install", *quiet, *cache_option(), "--python", python)
    run(*uv, "-r", str(requirements))
    ready.touch()


def cache_option() -> list[str]:
    """Return uv's option to do without its cache, where it could not write that."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - Path.home() fails without one
    cache = Path(os.environ.get("UV_CACHE_DIR") or Path(home, "uv"))
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError:
        return ["--no-cache"]
    return [] if os.access(cache, os.W_OK) else ["--no-cache"]


def run(*command: str) -> None:
    """Run a program; its output goes to stderr, and where it fails this ends."""
    status = subprocess.run(command, stdout=sys.stderr, check=False).returncode
    if status != 0:
        fail(f"{' '.join(command)}: exit status {status}")


def fail(text: str) -> NoReturn:
    """End with a message."""
    sys.exit(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], *map(Path, sys.argv[3:]))
