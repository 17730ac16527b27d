"""Each hour: the first answers to idempotency keys are forgotten once they are a week old."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ordering.runtime.function import DatabaseFunction
from ordering.runtime.observability import logger
from ordering.runtime.settings import WriteSide

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordering.runtime.function import Context

DAYS_KEPT: Final = 7
# Few rows at a time: each statement is short, and commands find their keys unlocked in between.
_ROWS: Final = 5_000
_SPARE_MILLISECONDS: Final = 15_000

FORGET: Final = """
delete from command_results where (principal, idempotency_key) in (
  select principal, idempotency_key from command_results
  where recorded_at < now() - make_interval(days => %(days)s)
  order by recorded_at limit %(rows)s
)
returning 1
"""


class ForgetAnswers(DatabaseFunction):
    """Deletes what is too old, as much as the invocation's time allows; the next run continues."""

    side = WriteSide

    def __call__(self, _event: Mapping[str, Any], context: Context) -> dict[str, int]:
        """Return the number of answers forgotten."""
        forgotten = 0
        while context.get_remaining_time_in_millis() > _SPARE_MILLISECONDS:
            rows = self._database.rows(FORGET, {"days": DAYS_KEPT, "rows": _ROWS})
            forgotten += len(rows)
            if len(rows) < _ROWS:
                break
        logger.info("forgot answers", extra={"answers": forgotten})
        return {"answers_forgotten": forgotten}


handler = ForgetAnswers()
