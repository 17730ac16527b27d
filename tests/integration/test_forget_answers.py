"""Answers to idempotency keys are kept for a week, and no longer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from operations import forget_answers

if TYPE_CHECKING:
    import pytest

    from tests.databases import Databases

REMEMBER = """
insert into command_results (principal, idempotency_key, request_hash, answer, recorded_at)
select 'forgetful', age || '-' || number, '', '{}', now() - age::interval
from unnest(%(ages)s) as age, generate_series(1, %(each)s) as number
"""


class Context:
    """An invocation with so much time left at each look."""

    def __init__(self, *milliseconds: int) -> None:
        self._left = list(milliseconds)

    def get_remaining_time_in_millis(self) -> int:
        return self._left.pop(0)


def test_answers_older_than_a_week_are_forgotten_and_no_others(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forget_answers, "_ROWS", 10)
    owner = databases.owner("write")
    ages = ["8 days", "7 days 1 second", "6 days 23 hours", "0 s"]
    owner.rows(REMEMBER, {"ages": ages, "each": 12})
    forget = forget_answers.handler.using(databases.open("write", "ordering_cleaner"))
    assert forget({}, Context(60_000, 60_000, 60_000)) == {"answers_forgotten": 24}
    kept = owner.rows(
        "select split_part(idempotency_key, '-', 1), count(*) from command_results"
        " where principal = 'forgetful' group by 1 order by 1"
    )
    assert kept == [("0 s", 12), ("6 days 23 hours", 12)]


def test_it_stops_before_its_time_is_up(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forget_answers, "_ROWS", 1)
    owner = databases.owner("write")
    owner.rows(REMEMBER, {"ages": ["9 days"], "each": 3})
    forget = forget_answers.handler.using(databases.open("write", "ordering_cleaner"))
    assert forget({}, Context(60_000, 20_000, 10_000)) == {"answers_forgotten": 2}
    assert forget({}, Context(60_000, 60_000)) == {"answers_forgotten": 1}
