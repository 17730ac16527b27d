"""The OpenAPI document passes the linters that its users run."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from tests.clients.tools import HERE, node_program
from tests.running_stack import ROOT

if TYPE_CHECKING:
    from pathlib import Path

DOCUMENT = ROOT / "docs" / "api" / "openapi.json"


def test_redocly_finds_nothing() -> None:
    done = lint("redocly", "lint", f"--config={HERE / 'redocly.yaml'}", str(DOCUMENT))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in done.stdout


def test_spectral_finds_nothing() -> None:
    rules = HERE / "spectral.yaml"
    done = lint("spectral", "lint", "--fail-severity=hint", f"--ruleset={rules}", str(DOCUMENT))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_linters_do_find_what_is_wrong(tmp_path: Path) -> None:
    broken = tmp_path / "openapi.json"
    text = DOCUMENT.read_text()
    broken.write_text(text.replace('"operationId": "get_order"', '"operationId": "place_order"'))
    config, rules = HERE / "redocly.yaml", HERE / "spectral.yaml"
    assert lint("redocly", "lint", f"--config={config}", str(broken)).returncode == 1
    assert lint("spectral", "lint", f"--ruleset={rules}", str(broken)).returncode == 1


def lint(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*node_program(program), *arguments], capture_output=True, text=True, check=False
    )
