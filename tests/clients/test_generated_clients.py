"""Clients that are generated from the OpenAPI document lead an order through its life.

They are generated and type-checked for each run: a document that a generator cannot read, or reads
otherwise than the server answers, fails here.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.clients.tools import HERE, node_program, openapi_generator
from tests.running_stack import ROOT, kafka_kinds

if TYPE_CHECKING:
    from tests.running_stack import RunningStack

# The API is the same whatever carries the events: one kind of broker is enough.
pytestmark = [
    pytest.mark.system,
    pytest.mark.parametrize("stack", kafka_kinds()[:1], indirect=True),
]
DOCUMENT = ROOT / "docs" / "api" / "openapi.json"
BIN = Path(sys.executable).parent
LIFE = [
    *(201, 201, 200, 200, 409, 412, 422, 200),
    *(200, 304),
    *(200, 200, 200, 200, 200, 200, 200, 200),
    *(200, 304),
    200,
    *(200, 304),
    *(404, 401),
]
"""The statuses that a client gets on the way."""


def test_a_python_client(stack: RunningStack, tmp_path: Path) -> None:
    package = tmp_path / "ordering_client"
    generated = run(
        *(str(BIN / "openapi-python-client"), "generate", "--meta=none"),
        *(f"--path={DOCUMENT}", f"--output-path={package}"),
        path=str(BIN),  # it formats with ruff, where it finds it
    )
    # It warns of every answer, parameter or model that it cannot read and therefore leaves out.
    assert generated.stdout.split() == ["Generating", str(package)], generated.stdout
    program = str(shutil.copy(HERE / "order_life.py", tmp_path))
    settings = tmp_path / "mypy.ini"
    settings.write_text(
        "[mypy]\nstrict = true\n"
        # The generator's own template passes *args: object on to httpx.
        "[mypy-ordering_client.client]\ndisable_error_code = arg-type\n"
    )
    run(str(BIN / "mypy"), f"--config-file={settings}", str(package), program, cwd=tmp_path)
    lived = run(sys.executable, program, stack.url, stack.jwt(), cwd=tmp_path)
    assert json.loads(lived.stdout) == LIFE


def test_a_typescript_client(stack: RunningStack, tmp_path: Path) -> None:
    client, compiled = tmp_path / "client", tmp_path / "compiled"
    run(
        *(*openapi_generator(), "generate", "--generator-name=typescript-fetch"),
        *(f"--input-spec={DOCUMENT}", f"--output={client}"),
    )
    models = {file.stem for file in (client / "models").glob("*.ts")} - {"index"}
    # A model with a name that the generator made up is one that the document has no name for.
    assert models == set(json.loads(DOCUMENT.read_text())["components"]["schemas"])
    for file in ("order_life.ts", "tsconfig.json"):
        shutil.copy(HERE / file, tmp_path)
    run(*node_program("tsc"), "--project", str(tmp_path), "--outDir", str(compiled))
    lived = run("node", str(compiled / "order_life.js"), stack.url, stack.jwt())
    assert json.loads(lived.stdout) == LIFE


def run(
    *command: str, cwd: Path | None = None, path: str | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{path}:{os.environ['PATH']}"} if path else None
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done
