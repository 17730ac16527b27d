"""The recipes of CONTRIBUTING.md, carried out on a copy of the repository.

tests/data/recipes has what is written by hand for each, as a patch. To change one, apply it to a
copy, change the files there, and write ``git diff`` over it.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[2]
PATCHES: Final = ROOT / "tests" / "data" / "recipes"
MOST_FILES: Final = 6
"""So many files one recipe takes by hand at most; the rest is generated."""
MOST_LINES: Final = {"command": 125, "query": 205, "rows": 225, "sums": 215}

TESTS: Final = {
    "command": ["tests/domain/test_change_billing_address.py", "tests/domain/test_events.py"],
    "query": [
        "tests/integration/test_get_order_shipments.py",
        "tests/integration/test_read_side_freshness.py",
        "tests/integration/test_read_side_gaps.py",
        "tests/integration/test_read_side.py",
    ],
    "rows": ["tests/integration/test_list_customer_shipments.py"],
    "sums": ["tests/integration/test_list_payment_methods.py"],
}
"""What is run after ``make check``: the new test, and tests that look at all functions."""
NEW: Final = "billing_address or shipments or payment_methods or test_events"
"""Of those that look at all functions, the functions that were there are not tried again."""


class Mistake(NamedTuple):
    """What a recipe's reader may forget, and the sentence that names it."""

    file: str
    line: str
    instead: str
    sentence: str
    step: str = "architecture"


MISTAKES: Final = {
    "a column": Mistake(
        "infra/migrations/read/9001_order_shipments.sql",
        "  last_event_time timestamptz\n",
        "  other timestamptz\n",
        "the table order_shipments needs the column last_event_time timestamptz",
    ),
    "a column of another type": Mistake(
        "infra/migrations/read/9001_order_shipments.sql",
        "  version integer not null,\n",
        "  version text not null,\n",
        "the table order_shipments needs the column version int",
    ),
    "the key of its rows": Mistake(
        "infra/migrations/read/9002_customer_shipments.sql",
        "  shipment_id text not null,\n",
        "",
        "the table customer_shipments_rows needs the column shipment_id text",
    ),
    "the type of a sum": Mistake(
        "infra/migrations/read/9003_payment_methods.sql",
        "  captured numeric not null,\n",
        "  captured bigint not null,\n",
        "the table payment_methods_sums needs the column captured numeric",
    ),
    "its first generation": Mistake(
        "infra/migrations/read/9001_order_shipments.sql",
        "select begin_generation('order_shipments', 1);\n",
        "",
        "a migration in infra/migrations/read has to begin_generation('order_shipments', 1)",
    ),
    "the list of read models": Mistake(
        "layers/common/ordering/read_side/query.py",
        '    "order_shipments",\n',
        "",
        "functions/projectors and READ_MODELS in ordering/read_side/query.py differ",
    ),
    "a field of the answer": Mistake(
        "functions/projectors/order_shipments.py",
        '"shipments": [],',
        '"shipments": [], "surprise": 1,',
        "the document of order_shipments is not what its query says that it answers",
    ),
    "the template's block": Mistake(
        "template.yaml",
        "      Handler: queries.get_order_shipments.handler\n",
        "      Handler: queries.get_order.handler\n",
        "template.yaml: add a block with `Handler: queries.get_order_shipments.handler`",
        step="contracts",
    ),
    "a sample": Mistake(
        "tests/integration/test_get_order_shipments.py",
        "SAMPLE: Final",
        "OTHER: Final",
        "tests/integration/test_get_order_shipments.py: declare `SAMPLE`",
        step="contracts",
    ),
    "who may call it": Mistake(
        "tests/integration/test_get_order_shipments.py",
        "CALLERS: Final",
        "OTHER: Final",
        "tests/integration/test_get_order_shipments.py: declare `CALLERS`",
        step="contracts",
    ),
    "the answer's type": Mistake(
        "functions/queries/get_order_shipments.py",
        " -> Answer[Shipments] | NotFound:",
        " -> Answer | NotFound:",
        "functions/queries/get_order_shipments.py: annotate `answer`",
        step="contracts",
    ),
}


class Copy:
    """A copy of the repository in which the recipes were carried out, one after the other."""

    def __init__(self, root: Path) -> None:
        self.root = root
        # Of git only the index: what a developer has not committed yet is tried too.
        listed = self._run("git", "ls-files", "-co", "--exclude-standard", cwd=ROOT)
        for name in listed.stdout.splitlines():
            if (ROOT / name).is_file():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, root / name)
        if (ROOT / ".mypy_cache").is_dir():  # what is as it was need not be read again
            shutil.copytree(ROOT / ".mypy_cache", root / ".mypy_cache")
        self.checked(self._run("git", "init", "-q"))
        self.by_hand = {recipe: self._apply(recipe) for recipe in TESTS}
        self.checked(self.make("contracts"))

    def _apply(self, recipe: str) -> dict[str, int]:
        """Carry out a recipe; return how many lines it adds to which file by hand."""
        patch = str(PATCHES / f"{recipe}.patch")
        applied = self.checked(self._run("git", "apply", "--numstat", "--apply", patch))
        rows = (line.split("\t") for line in applied.splitlines())
        return {name: int(lines) for lines, _, name in rows}

    def make(self, target: str) -> subprocess.CompletedProcess[str]:
        return self._run("make", target, f"VENV={sys.prefix}")

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._run(sys.executable, "-m", *arguments)

    def _run(self, *command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join((".", "functions", "layers/common"))
        return subprocess.run(
            command,
            cwd=cwd or self.root,
            env={**os.environ, "PYTHONPATH": path, "MAKEFLAGS": "", "TMPDIR": str(self.root)},
            capture_output=True,
            text=True,
            check=False,
        )

    @staticmethod
    def checked(ended: subprocess.CompletedProcess[str]) -> str:
        assert ended.returncode == 0, (ended.stdout + ended.stderr)[-3000:]
        return ended.stdout


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    root = tmp_path_factory.mktemp("copy")
    root.chmod(0o755)  # PostgreSQL, which is another user, keeps its files there
    yield Copy(root)
    shutil.rmtree(root)


@pytest.mark.parametrize("recipe", TESTS)
def test_a_recipe_takes_few_files_by_hand(
    copy: Copy, recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    by_hand = copy.by_hand[recipe]
    files, lines = len(by_hand), sum(by_hand.values())
    with capsys.disabled():
        print(f"\n{recipe}: {files} files, {lines} lines by hand")  # noqa: T201 - the figures
    assert files <= MOST_FILES
    assert lines <= MOST_LINES[recipe]


def test_what_the_recipes_lead_to_passes_all_checks_and_its_tests(copy: Copy) -> None:
    copy.checked(copy.make("check"))
    copy.checked(copy.python("pytest", "-q", f"-k={NEW}", *itertools.chain(*TESTS.values())))


@pytest.mark.parametrize("forgotten", MISTAKES)
def test_what_was_forgotten_is_one_sentence_of_make_check(copy: Copy, forgotten: str) -> None:
    mistake = MISTAKES[forgotten]
    file = copy.root / mistake.file
    right = file.read_text()
    assert right.count(mistake.line) == 1
    file.write_text(right.replace(mistake.line, mistake.instead))
    # The two steps of `make check` that look for what a function needs, as it calls them.
    if mistake.step == "contracts":
        ended = copy.python("infra.contracts", "--check")
    else:
        files = [f"tests/architecture/test_{name}.py" for name in ("answers", "read_models")]
        ended = copy.python("pytest", "-q", "--tb=line", *files)
    file.write_text(right)
    output = ended.stdout + ended.stderr
    assert ended.returncode != 0
    assert "Traceback" not in output
    assert mistake.sentence in output
