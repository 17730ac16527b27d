"""The list of read models."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ordering.read_side.query import READ_MODELS
from queries import get_read_models
from tests.callers import OPERATORS
from tests.integration.requests import body_of, request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordering.read_side.shapes import Document
    from ordering.runtime.postgres import Database, Row

SAMPLE: Final[dict[str, str]] = {}
CALLERS: Final = OPERATORS


def example_rows(documents: Mapping[str, Document]) -> list[Row]:
    """Return what the question's SQL selects when each read model is 0.2 seconds old."""
    as_of = datetime(2026, 11, 22, 12, tzinfo=UTC)
    building = {
        "generation": 2,
        "orders_filled": 1200,
        "orders_expected": 200000,
        "orders_behind": 3,
        "is_filled": False,
        "seconds_left": 412.5,
    }
    first, *others = sorted(documents)
    return [
        (first, as_of, 0.204, 1, 2, building),
        *((name, as_of, 0.204, 1, 0, None) for name in others),
    ]


def test_every_read_model_is_listed_also_before_it_has_an_age(queries: Database) -> None:
    answer = get_read_models.handler.using(queries)(request(), None)
    assert {item["name"] for item in body_of(answer)["items"]} == set(READ_MODELS)
