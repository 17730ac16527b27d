"""Scanners of others look at what is deployed; what they find has a reason beside it."""

from __future__ import annotations

import subprocess

import pytest

from infra.local.settings import ROOT

_BIN = ROOT / ".local" / "audit" / "bin"
_CHECKOV = ("checkov", "--config-file", ".checkov.yaml")


@pytest.mark.parametrize(
    "command",
    [
        (*_CHECKOV, "-d", "infra/stacks"),
        (*_CHECKOV, "-f", "template.yaml"),
        ("bandit", "-q", "-r", "functions", "layers", "-c", "pyproject.toml"),
    ],
    ids=["the stacks", "the template", "the code"],
)
def test_nothing_is_found(command: tuple[str, ...]) -> None:
    program, *arguments = command
    done = subprocess.run(
        [_BIN / program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_template_that_is_insecure_is_found() -> None:
    """The scanner runs at all."""
    insecure = "Resources: {B: {Type: AWS::S3::Bucket, Properties: {AccessControl: PublicRead}}}"
    file = ROOT / ".local" / "audit" / "insecure.yaml"
    file.write_text(f'AWSTemplateFormatVersion: "2010-09-09"\n{insecure}\n')
    try:
        done = subprocess.run(
            [_BIN / "checkov", *_CHECKOV[1:], "-f", file],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        file.unlink()
    assert done.returncode != 0
    assert "CKV_AWS_20" in done.stdout
