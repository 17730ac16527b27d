"""GET /read-models: how fresh each read model is, for operators."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from typing_extensions import TypedDict

from ordering.domain.values import Value
from ordering.read_side.answers import Answer
from ordering.read_side.freshness import READ_MODELS_AS_OF, rfc3339
from ordering.read_side.query import READ_MODELS, QueryFunction

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordering.read_side.answers import InstantText, Number
    from ordering.runtime.http import Principal
    from ordering.runtime.postgres import Row

_SQL: Final = """
select name, as_of, extract(epoch from statement_timestamp() - as_of)
from unnest(%(names)s) as name
left join ({read_models_as_of}) as read_model on read_model.projection = name
order by name
"""
SQL: Final = _SQL.format(read_models_as_of=READ_MODELS_AS_OF)


class ReadModel(TypedDict):
    """How fresh a read model is."""

    name: str
    as_of: InstantText | None
    age_seconds: float | None
    events_behind: Number | None


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
                    }
                    for name, as_of, age in rows
                ],
                "next_cursor": None,
            }
        )
    )


handler = QueryFunction(
    GetReadModels,
    name="read_models",
    read_models=READ_MODELS,
    sql=SQL,
    parameters=parameters,
    answer=answer,
)
