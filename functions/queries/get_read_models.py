"""GET /read-models: how fresh each read model is, for operators."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from typing_extensions import TypedDict

from ordering.domain.values import Value
from ordering.read_side.answers import Answer
from ordering.read_side.freshness import rfc3339
from ordering.read_side.generations import SECONDS_LEFT
from ordering.read_side.query import READ_MODELS, QueryFunction

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordering.read_side.answers import InstantText, Number
    from ordering.runtime.http import Principal
    from ordering.runtime.postgres import Row

_SQL: Final = """
select name, as_of, extract(epoch from statement_timestamp() - as_of), live.generation,
  coalesce(live.parked, 0), (
    select json_build_object(
      'generation', g.generation,
      'orders_filled', g.orders_filled,
      'orders_expected', g.orders_expected,
      'orders_behind', (
        select count(*) from freshness_behind as b
        where b.read_model = name and b.generation = g.generation
      ),
      'is_filled', g.filled_at is not null,
      'seconds_left', round(({seconds_left})::numeric, 1)
    ) from freshness_generations as g where g.read_model = name and g.state = 'building'
  )
from unnest(%(names)s) as name
left join freshness_as_of as live on live.read_model = name
order by name
"""
SQL: Final = _SQL.format(seconds_left=SECONDS_LEFT)


class Building(TypedDict):
    """A generation that is being filled, and how far it is.

    ``orders_expected`` is about how many there are; ``seconds_left`` is at the speed so far.
    """

    generation: Number
    orders_filled: Number
    orders_expected: Number | None
    orders_behind: Number
    is_filled: bool
    seconds_left: float | None


class ReadModel(TypedDict):
    """How fresh a read model is, and which generation of it queries read; null: none yet.

    ``parked_orders`` are those that ``as_of`` does not speak for: an event of each could not be
    applied, or not be published.
    """

    name: str
    as_of: InstantText | None
    age_seconds: float | None
    events_behind: Number | None
    generation: Number | None
    parked_orders: Number
    building: Building | None


class ReadModels(TypedDict):
    """A page of a list; ``next_cursor`` asks for the next one, and is null on the last."""

    items: list[ReadModel]
    next_cursor: str | None


class GetReadModels(Value):
    """All of them."""


def parameters(_: GetReadModels, _principal: Principal) -> Mapping[str, object]:
    """Name every read model, so that one that never got anything is listed too."""
    return {"names": list(READ_MODELS)}


def answer(_: GetReadModels, rows: Sequence[Row]) -> Answer[ReadModels]:
    """List them by name; ``as_of`` and ``age_seconds`` are null while they are not known."""
    return Answer(
        json.dumps(
            {
                "items": [
                    {
                        "name": name,
                        "as_of": None if as_of is None else rfc3339(as_of),
                        "age_seconds": None if age is None else round(float(age), 3),
                        "events_behind": None,
                        "generation": generation,
                        "parked_orders": parked,
                        "building": building,
                    }
                    for name, as_of, age, generation, parked, building in rows
                ],
                "next_cursor": None,
            }
        )
    )


handler = QueryFunction(
    GetReadModels,
    name="read_models",
    read_models=READ_MODELS,
    waits_for_filling=False,
    sql=SQL,
    parameters=parameters,
    answer=answer,
)
