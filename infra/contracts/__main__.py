"""Write the generated documents, or check that the committed ones are what the code says."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from infra.contracts import events, monitoring, openapi, picture, rules, samples
from infra.contracts.compatibility import CURRENCIES, incompatibilities, unreadable_currencies
from infra.contracts.declarations import check_functions
from infra.contracts.functions import MissingDeclarationError
from infra.local.template.model import TemplateError
from ordering.domain.values import CURRENCY_DIGITS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROOT: Final = Path(__file__).parents[2]

GENERATORS: Final[tuple[Callable[[], Mapping[str, str]], ...]] = (
    events.documents,
    monitoring.documents,
    openapi.documents,
    picture.documents,
    rules.documents,
    samples.documents,
)
"""Each gives the documents that it writes, by their path from the repository's root."""


RELEASED: Final = ROOT / "docs" / "events" / "released"


def main() -> int:
    """Write or check all documents, or release the events as they are."""
    parser = argparse.ArgumentParser(prog="python -m infra.contracts", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; name what differs")
    parser.add_argument("--release", action="store_true", help="release the events")
    arguments = parser.parse_args()
    if arguments.release:
        return _release()
    check: bool = arguments.check
    documents: dict[str, str] = {}
    try:
        check_functions()
        for generate in GENERATORS:
            documents |= generate()
    except (MissingDeclarationError, TemplateError) as error:
        print(error, file=sys.stderr)
        return 1
    differing = [path for path, text in documents.items() if _committed(path) != text]
    if not check:
        for path in differing:
            file = ROOT / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(documents[path])
        print(f"{len(documents)} documents, {len(differing)} of them written")
        return 0
    for path in differing:
        print(f"{path} is not what the code says: run `make contracts`", file=sys.stderr)
    broken = list(incompatibilities(RELEASED, ROOT / events.SCHEMAS))
    for change in broken:
        print(f"{change} (a change like this is a new schema version)", file=sys.stderr)
    lost = list(unreadable_currencies(RELEASED, CURRENCY_DIGITS))
    for currency in lost:
        print(f"{currency}: stored amounts of it could not be read", file=sys.stderr)
    return int(bool(differing or broken or lost))


def _release() -> int:
    """Remember the schemas as they are: from now on their versions only gain optional fields.

    And the currencies: from now on there are only more of them.
    """
    RELEASED.mkdir(parents=True, exist_ok=True)
    for file in (ROOT / events.SCHEMAS).glob("*.json"):
        shutil.copyfile(file, RELEASED / file.name)
    currencies = json.dumps(dict(sorted(CURRENCY_DIGITS.items())), indent=2)
    (RELEASED / CURRENCIES).write_text(currencies + "\n")
    return 0


def _committed(path: str) -> str | None:
    file = ROOT / path
    return file.read_text() if file.exists() else None


if __name__ == "__main__":
    sys.exit(main())
