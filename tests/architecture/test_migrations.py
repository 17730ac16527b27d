"""Old code meets the new schema while a deployment goes on: a migration only adds.

What takes something away comes a release later, when nothing asks for it any more, and says so:
``-- contracts: <why nothing needs it>`` in the line above the statement.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

MIGRATIONS: Final = Path(__file__).parents[2] / "infra" / "migrations"
FILES: Final = sorted(MIGRATIONS.glob("*/*.sql"))
BEFORE_THE_RULE: Final = {"write": "0005", "read": "0012"}
"""The newest files of before there was a release whose code could meet them."""
TAKES_AWAY: Final = {
    "drops": r"\bdrop\s+(table|view|function|index|schema|column|type|role)\b",
    "drops a column": r"\balter\s+table\b[^;]*\bdrop\s+(?!constraint\b|default\b|not\b)",
    "renames": r"\brename\s+(to|column|constraint)?\b",
    "changes a type": r"\balter\s+(column\s+)?\w+\s+(set\s+data\s+)?type\b",
    "asks for what old code does not write": r"\bset\s+not\s+null\b"
    r"|\badd\s+(column\s+)?\w+\s+[^,;]*\bnot\s+null\b(?![^,;]*\bdefault\b)",
    "takes rights": r"\brevoke\b",
    "empties": r"\btruncate\b",
}


def findings(text: str) -> list[str]:
    """Return what a migration takes away without saying why nothing needs it."""
    found = []
    for statement in re.split(r"(?<=;)\s*\n", text):
        if re.search(r"^\s*-- contracts: \S.{9,}", statement, re.MULTILINE):
            continue
        code = re.sub(r"--[^\n]*", "", statement).lower()
        found += [name for name, pattern in TAKES_AWAY.items() if re.search(pattern, code)]
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_a_migration_only_adds(file: Path) -> None:
    if file.name[:4] > BEFORE_THE_RULE[file.parent.name]:
        assert findings(file.read_text()) == []


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("drop table a;", "drops"),
        ("alter table a drop b;", "drops a column"),
        ("alter table a drop column b;", "drops"),
        ("alter table a rename b to c;", "renames"),
        ("alter table a alter column b type bigint;", "changes a type"),
        ("alter table a alter b set not null;", "asks for what old code does not write"),
        ("alter table a add b int not null;", "asks for what old code does not write"),
        ("revoke select on a from b;", "takes rights"),
    ],
)
def test_what_takes_away_is_found(text: str, finding: str) -> None:
    assert finding in findings(text)
    said = f"create table x (y int);\n-- contracts: nothing reads it since the last release\n{text}"
    assert findings(said) == []


@pytest.mark.parametrize(
    "text",
    [
        "create table a (b int not null);",
        "alter table a add b int;",
        "alter table a add column b int not null default 0;",
        "create index on a (b);",
        "grant select on a to b;",
        "-- the former table is dropped later\nselect 1;",
    ],
)
def test_what_adds_is_none(text: str) -> None:
    assert findings(text) == []
