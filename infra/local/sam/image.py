"""The image that functions run in: Lambda's own, or one like it, made of Debian's Python 3.13."""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from infra.local.sam.engine import Engine, NoContainersError, install

PYTHON: Final = "3.13"
ARCHITECTURE: Final = "arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64"
"""What runs here without being emulated."""
IMAGE: Final = f"public.ecr.aws/lambda/python:{PYTHON}-{ARCHITECTURE}"
_LOOK_SECONDS: Final = 10
_PULL_SECONDS: Final = 120
_DEBIAN: Final = "trixie"  # the release whose Python is that of the functions
_MACHINE: Final = "aarch64" if ARCHITECTURE == "arm64" else "x86_64"
# As in Lambda's image: the runtime's client, and boto3. The versions are the lock file's.
_RUNTIME: Final = (
    *("awslambdaric", "snapshot-restore-py", "simplejson", "boto3", "botocore", "s3transfer"),
    *("jmespath", "python-dateutil", "urllib3", "six"),
)
_BOOTSTRAP: Final = """\
#!/bin/sh
export PYTHONPATH="/opt/python:/var/runtime:$LAMBDA_TASK_ROOT"
export AWS_EXECUTION_ENV=AWS_Lambda_python3.13
cd "$LAMBDA_TASK_ROOT" && exec /usr/bin/python3 -m awslambdaric "$_HANDLER"
"""


def provide_image(engine: Engine, lock: Path) -> str:
    """Have the image; return where it is from. `lock` pins what is installed into one of our own.

    Raises:
        NoContainersError: it can neither be pulled nor made here.
        StartError: the engine does not take what was made.
    """
    if engine.succeeds("image", "inspect", IMAGE, seconds=_LOOK_SECONDS):
        return "was there"
    if engine.succeeds("pull", "--quiet", IMAGE, seconds=_PULL_SECONDS):
        return "pulled"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise NoContainersError(
            f"{IMAGE} cannot be pulled; as root on Debian one like it would be made here"
        )
    if shutil.which("debootstrap") is None:
        install("debootstrap")
    with tempfile.TemporaryDirectory(prefix="ordering-") as directory:
        _make(engine, Path(directory) / "root", lock)
    return f"made of Debian's Python {PYTHON}"


def _make(engine: Engine, root: Path, lock: Path) -> None:
    _run(
        *("debootstrap", "--variant=minbase", "--include=python3,ca-certificates"),
        *(_DEBIAN, str(root)),
    )
    runtime = root / "var" / "runtime"
    platforms = [f"{kind}_{_MACHINE}" for kind in ("manylinux_2_28", "manylinux2014")]
    _run(
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
        *("--no-deps", "--no-compile", "--only-binary=:all:", "--implementation", "cp"),
        *("--python-version", PYTHON, *(f"--platform={each}" for each in platforms)),
        *("--target", str(runtime), "--constraint", str(lock), *_RUNTIME),
    )
    bootstrap = runtime / "bootstrap"
    bootstrap.write_text(_BOOTSTRAP)
    bootstrap.chmod(0o755)
    (root / "var" / "task").mkdir()
    for heavy in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale"):
        shutil.rmtree(root / heavy, ignore_errors=True)
    with subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE) as tar:
        assert tar.stdout is not None  # noqa: S101 - it was asked for
        changes = ("ENV LAMBDA_TASK_ROOT=/var/task", 'ENTRYPOINT ["/var/runtime/bootstrap"]')
        options = [option for change in changes for option in ("--change", change)]
        engine.run("import", *options, "-", IMAGE, stdin=tar.stdout.fileno())


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NoContainersError(f"{command[0]}: {(done.stderr or done.stdout).strip()[-500:]}")
