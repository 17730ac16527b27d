"""Events that could not be applied are parked, and those of the same order behind them.

An order with a parked event is parked: what comes of it waits in the same table, in order, and all
other orders go on. What is parked without an order belongs to none: a record that has no key.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

_MOST_CHARACTERS: Final = 2_000

PARK: Final = """
parked as (
  insert into parked_events (
    read_model, generation, order_id, customer_id, version, event_type, partition, record_offset,
    record_key, record, error, parked_at
  )
  select %(read_model)s, r.generation, r.order_id, r.customer_id, r.version, r.event_type,
    r.partition, r.record_offset, decode(r.record_key, 'hex'), decode(r.record, 'hex'),
    r.error, coalesce(r.parked_at, clock_timestamp())
  from json_to_recordset(%(parked)s::json) as r (
    generation int, order_id uuid, customer_id text, version int, event_type text, partition int,
    record_offset bigint, record_key text, record text, error text,
    parked_at timestamptz
  )
  on conflict do nothing
)"""
# Those behind which an event waits have to be parked still: a retry may have ended that.
STILL_PARKED: Final = """(
  select count(*) from json_to_recordset(%(waiting)s::json) as w (generation int, order_id uuid)
  where exists (
    select from parked_events as p where p.read_model = %(read_model)s
      and p.generation = w.generation and p.order_id = w.order_id
  )
)"""


class Parked(NamedTuple):
    """An event to park in a generation, with the error, or without one behind others."""

    generation: int
    order_id: str | None
    customer_id: str | None
    version: int | None
    event_type: str | None
    error: str | None
    partition: int | None = None
    record_offset: int | None = None
    record_key: bytes | None = None
    record: bytes | None = None
    parked_at: str | None = None
    """Since when; None: from now on."""

    def row(self) -> dict[str, Any]:
        """Return it as the statement takes it."""
        in_hex = {
            name: None if content is None else content.hex()
            for name, content in (("record_key", self.record_key), ("record", self.record))
        }
        return self._asdict() | in_hex


def describe_error(error: Exception) -> str:
    """Return an error as it is kept: what PostgreSQL cannot store of it is replaced."""
    text = f"{type(error).__name__}: {error}".encode(errors="replace").decode()
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")[:_MOST_CHARACTERS]
