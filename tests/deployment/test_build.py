"""What `sam build` puts into the layer and into each function's package."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from infra.contracts.functions import read_template
from infra.local.settings import ROOT

FUNCTIONS: Final = read_template().functions
LAYER: Final = ROOT / "layers" / "common"
# Lambda has it: it is part of the runtime (AWS documentation, "Runtime-included SDK versions").
RUNTIME: Final = {
    *("boto3", "botocore", "certifi", "dateutil", "s3transfer", "six", "urllib3"),
    "snapshot_restore_py",
}
_OF_THIS_MACHINE: Final = {"_distutils_hack"}
_WHAT_IS_IMPORTED: Final = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
for module in list(sys.modules.values()):
    if file := getattr(module, "__file__", None):
        print(file)
"""


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    artifacts = tmp_path_factory.mktemp("layer")
    make(LAYER, "build-CommonLayer", artifacts)
    return artifacts


def make(directory: Path, target: str, artifacts: Path) -> None:
    command = ["make", "-C", str(directory), target, f"PYTHON={sys.executable}"]
    environment = {**os.environ, "ARTIFACTS_DIR": str(artifacts)}
    # Its own flags would reach the make that it starts.
    environment = {n: v for n, v in environment.items() if n not in {"MAKEFLAGS", "MAKELEVEL"}}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def imported_files(*modules: str) -> list[str]:
    """Return what importing functions reads, of the packages that a layer would have."""
    settings = {
        "WRITE_DATABASE": "host=nowhere",
        "READ_DATABASE": "host=nowhere",
        "KAFKA_BOOTSTRAP_SERVERS": "nowhere:1",
        "KAFKA_TOPIC": "none",
        "PYTHONPATH": f"{ROOT / 'functions'}:{LAYER}",
    }
    command = [sys.executable, "-c", _WHAT_IS_IMPORTED, *modules]
    done = subprocess.run(command, env=settings, capture_output=True, text=True, check=True)
    files = []
    for file in done.stdout.split():
        if "site-packages/" in file:
            files.append(file.split("site-packages/", 1)[1])
        elif file.startswith(str(LAYER)):
            files.append(str(Path(file).relative_to(LAYER)))
    return [
        file
        for file in files
        if file.split("/")[0].removesuffix(".py") not in RUNTIME | _OF_THIS_MACHINE
    ]


def test_the_layer_has_what_functions_import(layer: Path) -> None:
    files = imported_files(*(function.handler[:-8] for function in FUNCTIONS.values()))
    python = [file for file in files if file.endswith(".py")]
    assert len(python) > 200
    lacking = [file for file in python if not (layer / "python" / file).is_file()]
    assert lacking == []


def test_the_layer_has_the_libraries_of_the_machine_it_is_for(layer: Path) -> None:
    machines = {
        # ELF header, e_machine: 183 is AArch64 (ELF specification, "EM_AARCH64").
        int.from_bytes(file.read_bytes()[18:20], "little")
        for file in layer.rglob("*.so*")
    }
    assert machines == {183}


def test_the_layer_carries_nothing_that_no_function_needs(layer: Path) -> None:
    carried = {path.relative_to(layer / "python").parts[0] for path in layer.glob("python/*")}
    assert not carried & RUNTIME
    assert not [path for path in layer.rglob("*") if path.name in {"__pycache__", "tests"}]
    # Half of it are psycopg2's libraries, which are linked to each other.
    size = sum(path.stat().st_size for path in layer.rglob("*") if path.is_file())
    assert size < 32_000_000


def test_the_layer_trusts_amazons_certificates_only(layer: Path) -> None:
    for name in ("proxies", "clusters"):
        lines = (layer / "python" / "certificates" / f"{name}.pem").read_text().splitlines()
        names = [line for line in lines if line.startswith("# ")]
        assert len(names) == lines.count("-----BEGIN CERTIFICATE-----")
        assert all("Amazon" in line or "Starfield Services" in line for line in names)
    for variable in ("PGSSLROOTCERT",):
        files = {function.environment[variable] for function in FUNCTIONS.values()}
        assert {Path(file).parent for file in files} == {Path("/opt/python/certificates")}
        assert all((layer / Path(file).relative_to("/opt")).is_file() for file in files)


_ALONE: Final = """
import importlib, sys
importlib.import_module(sys.argv[1])
if sys.argv[1].startswith("operations."):
    # They find read models by their names, when they are asked for one.
    from ordering.read_side.operation import read_model_named
    from ordering.read_side.query import READ_MODELS
    for name in READ_MODELS:
        read_model_named(name)
"""


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_functions_package_is_its_own_file(name: str, tmp_path: Path) -> None:
    make(ROOT / "functions", f"build-{name}", tmp_path)
    kind, stem, _ = FUNCTIONS[name].handler.split(".")
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    expected = {f"{kind}/{stem}.py", f"{kind}/__init__.py"}
    if kind == "operations":
        projectors = ROOT / "functions" / "projectors"
        expected |= {f"projectors/{file.name}" for file in projectors.glob("*.py")}
    assert files == expected


# The others of their kinds import what these do.
@pytest.mark.parametrize(
    "name", ["GetOrder", "ListParked", "Migrate", "PlaceOrder", "PublishEvents", "Sales"]
)
def test_a_functions_package_has_all_that_it_imports(name: str, tmp_path: Path) -> None:
    make(ROOT / "functions", f"build-{name}", tmp_path)
    settings = {
        "WRITE_DATABASE": "host=nowhere",
        "READ_DATABASE": "host=nowhere",
        "KAFKA_BOOTSTRAP_SERVERS": "nowhere:1",
        "KAFKA_TOPIC": "none",
        "PYTHONPATH": f"{tmp_path}:{LAYER}",
    }
    command = [sys.executable, "-c", _ALONE, FUNCTIONS[name].handler.removesuffix(".handler")]
    done = subprocess.run(
        command, env=settings, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
