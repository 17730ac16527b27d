"""Each minute: how old each read model is, what is parked in it, and what waits for the relay.

Alarms watch these measures, and that they come at all: what is dead reports nothing itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ordering.domain.values import Value
from ordering.read_side.operation import ReadModelOperation, Workshop
from ordering.read_side.query import READ_MODELS
from ordering.runtime.observability import Measure, MetricUnit, log_event, log_measures_of, logger
from ordering.runtime.postgres import DatabaseUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

# An age that is not known, as while nothing was ever applied, is no age: nothing is reported then,
# and that alarms too.
_READ_MODELS: Final = """
select name, extract(epoch from statement_timestamp() - f.as_of)::float8, coalesce(f.parked, 0)
from unnest(%(names)s) as name left join freshness_as_of as f on f.read_model = name
order by name
"""
# The oldest row by seq is the oldest event, give or take a transaction's length.
_OUTBOX: Final = """
select (select count(*) from (select from outbox limit 100000) as waiting), coalesce(max(
  extract(epoch from statement_timestamp() - e.recorded_at)), 0)::float8
from (
  select first.order_id, first.version from relay_shards as s cross join lateral (
    select o.order_id, o.version from outbox as o where o.shard = s.shard order by o.seq limit 1
  ) as first
) as oldest join order_events as e using (order_id, version)
"""


class ReportHealth(Value):
    """Nothing is to be said."""


def perform(workshop: Workshop, _: ReportHealth) -> Mapping[str, Any]:
    """Write the measures; return them.

    Raises:
        DatabaseUnavailableError: one of the databases; what the other one says is reported.
    """
    reported: dict[str, Any] = {}
    failures: list[DatabaseUnavailableError] = []
    for name, report in (("outbox", _report_outbox), ("read_models", _report_read_models)):
        try:
            reported[name] = report(workshop)
        except DatabaseUnavailableError as error:
            logger.warning("not known", extra={"of": name, "reason": str(error)})
            failures.append(error)
    if failures:
        raise failures[0]
    return reported


def _report_outbox(workshop: Workshop) -> Mapping[str, Any]:
    ((events, oldest),) = workshop.write.rows(_OUTBOX)
    oldest = max(oldest, 0.0)
    log_event(
        "the outbox",
        Measure("OutboxEvents", events),
        Measure("OutboxOldest", round(oldest, 3), MetricUnit.Seconds),
    )
    return {"events": events, "oldest_seconds": round(oldest, 3)}


def _report_read_models(workshop: Workshop) -> list[Mapping[str, Any]]:
    reported: list[Mapping[str, Any]] = []
    for name, age, parked in workshop.read.rows(_READ_MODELS, {"names": list(READ_MODELS)}):
        measures = [Measure("OrdersParked", parked)]
        if age is not None:
            measures.append(Measure("ReadModelAge", round(age, 3), MetricUnit.Seconds))
        log_measures_of({"read_model": name}, "a read model", *measures)
        reported.append({"name": name, "age_seconds": age, "parked_orders": parked})
    return reported


handler = ReadModelOperation(ReportHealth, perform)
