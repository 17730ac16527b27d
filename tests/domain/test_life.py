"""A random life that fails is reported with the fewest steps that make it fail."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.domain.life import Ask, Step, live, random_order, random_steps

if TYPE_CHECKING:
    from collections.abc import Sequence


def test_only_the_steps_that_make_a_life_fail_are_reported() -> None:
    chance = random.Random(1)  # noqa: S311 - the same steps each time
    first, steps = random_order(chance, most_lines=1), random_steps(chance, 30)
    guilty = {steps[7], steps[21]}

    def run(_: Ask, taken: Sequence[Step]) -> None:
        assert not guilty.issubset(taken)

    with pytest.raises(AssertionError) as failure:
        live(first, steps, run)
    assert str(failure.value).splitlines() == [
        "this life fails:",
        repr(first),
        repr(steps[7]),
        repr(steps[21]),
    ]
