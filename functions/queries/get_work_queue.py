"""GET /work-queue: what waits for somebody, and since when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from typing_extensions import TypedDict

from ordering.domain.stages import STAGES
from ordering.domain.values import PageLimit, Stage, Value
from ordering.read_side.answers import Answer
from ordering.read_side.paging import Keyset, KeyType
from ordering.read_side.query import QueryFunction
from ordering.read_side.written import instant_sql

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordering.domain.values import Money
    from ordering.read_side.answers import InstantText, Number, Uuid
    from ordering.runtime.http import Principal
    from ordering.runtime.postgres import Row

PAGE: Final = Keyset({"since": KeyType.INSTANT, "order_id": KeyType.UUID}, is_ascending=True)
# With clocks that differ, since may lie ahead; where nothing waits, it is null, and so is the age.
_AGE: Final = """case when since > statement_timestamp() then 0
  else round(extract(epoch from statement_timestamp() - since), 3) end"""
_SQL: Final = """
select * from (
  select 'stage' as kind, json_build_object(
      'stage', stage, 'meaning', meaning, 'waiting', coalesce(waiting, 0),
      'oldest_since', {oldest_since}, 'oldest_age_seconds', {age}
    )::text as item, null::timestamptz as since, null::uuid as order_id
  from unnest(%(stages)s, %(meanings)s) with ordinality as stages (stage, meaning, number)
  left join work_queue_sums using (stage)
  left join lateral (
    select since from work_queue_rows as r where r.stage = stages.stage
    order by since, order_id limit 1
  ) as oldest on true
  order by number
) as counts
union all (
  select 'order', left(document::text, -1) || ', "age_seconds": ' || {age} || '}}}}', {{key}}
  from work_queue_rows where stage = %(stage)s and {{after}}
  {{page}}
)
"""
SQL: Final = PAGE.sql(_SQL.format(oldest_since=instant_sql("since"), age=_AGE))


class StageCount(TypedDict):
    """How many orders wait in a stage, and the one that has waited longest; null: none waits."""

    stage: Stage
    meaning: str
    waiting: Number
    oldest_since: InstantText | None
    oldest_age_seconds: float | None


class WaitingOrder(TypedDict):
    """An order in a stage, and since when it is in it.

    ``units`` are those that wait to be shipped, delivered or sent back, and ``amount`` is what
    waits to be paid or refunded; null in the other stages.
    """

    order_id: Uuid
    stage: Stage
    since: InstantText
    customer_id: str
    reference: str | None
    units: Number | None
    amount: Money | None
    age_seconds: float


class WorkQueue(TypedDict):
    """All stages with their counts, and a page of the orders in the stage that was asked for.

    Those that have waited longest come first; ``next_cursor`` asks for the next page, and is null
    on the last. Without ``stage`` there are no ``items``.
    """

    stages: list[StageCount]
    items: list[WaitingOrder]
    next_cursor: str | None


class GetWorkQueue(Value):
    """Which stage's orders."""

    stage: Stage | None = None
    limit: PageLimit = 20
    cursor: str | None = None


def parameters(question: GetWorkQueue, _: Principal) -> Mapping[str, object]:
    """Name the stages, and start behind the cursor."""
    return {
        "stage": question.stage,
        "stages": [each.stage for each in STAGES],
        "meanings": [each.meaning for each in STAGES],
        **PAGE.parameters(question),
    }


def answer(question: GetWorkQueue, rows: Sequence[Row]) -> Answer[WorkQueue]:
    """Put the counts and the stored items in lists as they are."""
    stages = ",".join(item for kind, item, *_ in rows if kind == "stage")
    page = PAGE.body(question, [row[1:] for row in rows if row[0] == "order"])
    return Answer(f'{{"stages": [{stages}], {page[1:]}')


handler = QueryFunction(
    GetWorkQueue,
    read_models=["work_queue"],
    sql=SQL,
    parameters=parameters,
    answer=answer,
)
