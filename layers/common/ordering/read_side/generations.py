"""The generations of a read model: each has its own tables, and queries read one of them by a view.

A generation is ``building`` until it is switched to; the one that is ``live`` then is ``following``
from there on: written like the live one, until it is dropped.
"""

from __future__ import annotations

from typing import Final, NamedTuple

BUILDING: Final = "building"
LIVE: Final = "live"
FOLLOWING: Final = "following"

# Writers of a read model share its lock; what changes what they rest on has it alone. The first
# number is arbitrary, but fixed.
_LOCK: Final = "select pg_advisory_xact_lock{shared}(7230515, hashtext('{read_model}'))"
SECONDS_LEFT: Final = """case when g.filled_at is not null then 0 else
  greatest(g.orders_expected - g.orders_filled, 0) * g.filling_seconds / nullif(g.orders_filled, 0)
end"""
"""How long a fill will take at its speed so far, of a row ``g`` of generations; null: not known."""
NOTE_BEHIND: Final = """
behind as (
  insert into orders_behind (read_model, generation, order_id, reason)
  select %(read_model)s, r.generation, r.order_id, r.reason
  from json_to_recordset(%(behind)s::json) as r (generation int, order_id uuid, reason text)
  on conflict (read_model, generation, order_id) do update
  set noted_at = clock_timestamp(), reason = excluded.reason
)"""
"""The part of a WITH that notes orders as behind: ``%(behind)s``, JSON."""


class Generation(NamedTuple):
    """A generation: its number, the revision of the read model it is of, and its state."""

    number: int
    revision: int
    state: str

    @property
    def is_live(self) -> bool:
        """Whether queries read it."""
        return self.state == LIVE


def lock(read_model: str, *, is_shared: bool) -> str:
    """Return the statement that takes the read model's lock until the transaction's end."""
    return _LOCK.format(read_model=read_model, shared="_shared" if is_shared else "")


def written(generations: tuple[Generation, ...]) -> str:
    """Write what a writer has found, as the database compares it; see ``require_written``."""
    return ",".join(f"{g.number}:{g.revision}:{g.state}" for g in generations)
