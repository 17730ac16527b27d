"""What a refused field is told: our own words, never those of a library."""

from __future__ import annotations

import copy
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from infra.contracts.declarations import module_of_test, sample
from infra.contracts.functions import files_of
from ordering.runtime.findings import findings
from tests.domain.life import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ordering.domain.values import Value

LIBRARY_WORDS = re.compile(
    r"input should|value error|codec|pydantic|set_int_max|expecting|\bchar \d|datetime|timezone"
    r"|field required|valid (string|integer|dictionary|list|tuple)|instance|\bstr\b|\bint\b"
    r"|\bdict\b|none|python|traceback|unable to|extra inputs|match pattern",
    re.IGNORECASE,
)
BAD_VALUES: list[Any] = [
    *(None, True, False, -1, 0, 1.5, 10**30, float("inf"), [], {}, [[]], [{}], {"a": {}}, "", " "),
    *("x", "\x00", "\ud800", "0" * 100_000, "9" * 20, "1_0", "+5", " 5", "05", "1e5", "1.", ".5"),
    *("\N{FULLWIDTH DIGIT FIVE}", "-0", "nan", "2026-02-30T00:00:00Z", "2026-13-01T00:00:00Z"),
    *("2026-01-01", "2026-01-01T25:00:00Z", "2026-01-01T00:00:60Z", "2026-01-01T00:00:00+99:99"),
    *("0000-00-00T00:00:00Z", "2026-01-01T00:00:00", "today", "1767225600", 1767225600),
]


def models() -> Iterator[tuple[str, type[Value], dict[str, Any]]]:
    """Return every command and query with a valid body of it."""
    for stem, module in COMMANDS.items():
        yield stem, module.handler.command, sample(stem)
    for query in files_of("queries"):
        fields = getattr(module_of_test(query.stem), "ALL_FIELDS", sample(query.stem))
        question = query.handler.question
        names = {field.alias or name for name, field in question.model_fields.items()}
        assert names == {*fields}, f"{query.stem}: declare ALL_FIELDS, a value of each field"
        yield query.stem, question, fields


def changed(valid: Any) -> Iterator[Any]:  # noqa: ANN401 - any part of a body
    """Return the body with each of its members replaced by each bad value, removed, or added to."""
    yield from BAD_VALUES
    if isinstance(valid, dict):
        yield valid | {"no_such_field": 1}
        for name in valid:
            yield {other: value for other, value in valid.items() if other != name}
            for value in changed(valid[name]):
                yield valid | {name: value}
    elif isinstance(valid, list):
        yield valid * 600
        for number, member in enumerate(valid):
            for value in changed(member):
                made = copy.copy(valid)
                made[number] = value
                yield made


def test_a_refused_field_is_told_what_is_wrong_in_our_own_words() -> None:
    tried: Counter[str] = Counter()
    wrong = []
    for stem, model, valid in models():
        model.model_validate(valid)
        for body in changed(valid):
            tried[stem] += 1
            try:
                model.model_validate(body)
            except ValidationError as error:
                details = {found["detail"] for found in findings(error)}
                strange = [detail for detail in details if LIBRARY_WORDS.search(detail)]
                # "is not valid" is what findings.py says of an error that it has no words for.
                if strange or "is not valid" in details:
                    wrong.append((stem, details))
    assert not wrong
    assert tried.total() > 5_000
    assert set(tried) == {file.stem for kind in ("commands", "queries") for file in files_of(kind)}
