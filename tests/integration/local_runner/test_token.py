"""`make token`: a token of each kind, or a sentence that says what is wrong."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import jwt
import pytest

from infra.local.gateway.issuer import SCOPES
from infra.local.settings import ROOT


def token(state: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "infra.local", "token", f"--state-dir={state}", *options],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )


@pytest.mark.parametrize(
    ("options", "scopes", "customer", "subject"),
    [
        ([], [*SCOPES], None, "operator"),
        (["--customer=ALFKI"], ["orders:read", "orders:write"], "ALFKI", "customer:ALFKI"),
        (["--scopes=orders:read orders:sell"], ["orders:read", "orders:sell"], None, "checkout"),
        (["--scopes=orders:sell", "--customer=ALFKI"], ["orders:sell"], "ALFKI", "customer:ALFKI"),
        (["--scopes=orders:read"], ["orders:read"], None, "reader"),
        (["--customer=-O'Neil x"], ["orders:read", "orders:write"], "-O'Neil x", None),
        (["--scope-prefix=shop/"], [f"shop/{scope}" for scope in SCOPES], None, "operator"),
    ],
)
def test_a_token_has_exactly_what_was_asked_for(
    tmp_path: Path,
    options: list[str],
    scopes: list[str],
    customer: str | None,
    subject: str | None,
) -> None:
    done = token(tmp_path, *options)
    claims: dict[str, Any] = jwt.decode(done.stdout.strip(), options={"verify_signature": False})
    assert claims["scope"].split() == scopes
    assert claims.get("customer_id") == customer
    assert subject in {None, claims["sub"]}
    assert done.stderr == ""


def test_a_scope_that_there_is_not_is_named_with_those_that_there_are(tmp_path: Path) -> None:
    done = token(tmp_path, "--scopes=orders:read orders:ship operate")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "SCOPES: there is no scope orders:ship, operate; "
        "there are orders:read, orders:write, orders:sell, orders:operate\n"
    )
