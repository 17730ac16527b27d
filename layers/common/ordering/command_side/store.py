"""The write database: one statement loads, one statement writes everything or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from psycopg2 import errors as postgres_errors
from pydantic_core import to_json

from ordering.domain.limits import MAX_EVENT_BYTES
from ordering.domain.order import Order
from ordering.runtime.postgres import DatabaseUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ordering.domain.recorded import Recorded
    from ordering.runtime.postgres import Database, ResultT

LOAD: Final = """
select o.version, o.state::text, r.request_hash, r.answer::text
from (values (%(order_id)s::uuid)) as asked (order_id)
left join orders as o using (order_id)
left join command_results as r
  on r.principal = %(principal)s and r.idempotency_key = %(idempotency_key)s
"""

_INSERT_ORDER: Final = """
  insert into orders (order_id, version, customer_id, status, state)
  values (%(order_id)s, %(version)s, %(customer_id)s, %(status)s, %(state)s)
  on conflict (order_id) do nothing
  returning order_id, version
"""

_UPDATE_ORDER: Final = """
  update orders set version = %(version)s, status = %(status)s, state = %(state)s,
    updated_at = now()
  where order_id = %(order_id)s and version = %(read_version)s
  returning order_id, version
"""

# No events, but the answer is still stored for its idempotency key.
_KEEP_ORDER: Final = """
  select order_id, version from orders
  where order_id = %(order_id)s and version = %(read_version)s
"""

# The relay says in its shard's row when it waits to be woken. Only then is it notified: NOTIFY
# takes a lock that would put the commits of all busy writers in a row.
_APPEND: Final = """
with changed as ({change}), logged as (
  insert into order_events (order_id, version, type, schema_version, data, metadata)
  select c.order_id, e.version, e.type, e.schema_version, e.data, %(metadata)s
  from changed as c,
    jsonb_to_recordset(%(events)s) as e (version int, type text, schema_version int, data jsonb)
  returning order_id, version
), queued as (
  insert into outbox (shard, order_id, version)
  select shard_of(order_id), order_id, version from logged order by version
), remembered as (
  insert into command_results (principal, idempotency_key, request_hash, answer)
  select %(principal)s, %(idempotency_key)s, %(request_hash)s, %(answer)s
  from changed where %(idempotency_key)s is not null
)
select c.version, (
  select count(pg_notify('outbox_' || s.shard, ''))
  from relay_shards as s where s.waiting and s.shard = shard_of(c.order_id)
)
from changed as c
"""
APPEND_NEW: Final = _APPEND.format(change=_INSERT_ORDER)
APPEND: Final = _APPEND.format(change=_UPDATE_ORDER)
APPEND_NOTHING: Final = _APPEND.format(change=_KEEP_ORDER)


class Remembered(NamedTuple):
    """The first answer to an idempotency key, and the hash of what was asked then."""

    request_hash: bytes
    answer: str


class Loaded(NamedTuple):
    """An order as it was read, and what is remembered of the caller's idempotency key."""

    order: Order | None
    version: int
    remembered: Remembered | None


class KeyInUseError(Exception):
    """What may be a request with this idempotency key is not finished yet; nothing was written."""


class EventTooLargeError(Exception):
    """An event has more data than can be published; nothing was written."""


class KeyReusedError(Exception):
    """The idempotency key was written by another request meanwhile; nothing was written now."""


def load(
    database: Database,
    order_id: str | None,
    principal: str,
    idempotency_key: str | None,
    meanwhile: Callable[[], ResultT],
) -> tuple[Loaded, ResultT]:
    """Read the order's state and the remembered answer in one round trip.

    ``meanwhile`` is run while the database works; what it raises is raised here.
    """
    ((version, state, request_hash, answer),), result = database.rows_meanwhile(
        LOAD,
        {"order_id": order_id, "principal": principal, "idempotency_key": idempotency_key},
        meanwhile,
    )
    loaded = Loaded(
        order=None if state is None else Order.model_validate_json(state, extra="ignore"),
        version=version or 0,
        remembered=None if answer is None else Remembered(bytes(request_hash), answer),
    )
    return loaded, result


def append(
    database: Database,
    *,
    order_id: str,
    read_version: int,
    order: Order,
    events: Sequence[Recorded],
    metadata: Mapping[str, str | None],
    principal: str,
    idempotency_key: str | None,
    request_hash: bytes,
    answer: str,
    meanwhile: Callable[[], ResultT],
) -> ResultT | None:
    """Write state, events, outbox rows and the remembered answer in one statement.

    ``read_version`` is 0 for a new order. Without events only the answer is written. Returns what
    ``meanwhile`` returns, which is called while the database works. None: a concurrent command
    changed the order since it was read, and nothing was written.

    Raises:
        EventTooLargeError: an event's data has more than ``MAX_EVENT_BYTES``; nothing was written.
        KeyReusedError: the idempotency key is remembered already; nothing was written.
        KeyInUseError: another request with this key, or on this order, is taking long; nothing was
            written.
        DatabaseUnavailableError: no answer; written whole or not at all.
        Exception: what ``meanwhile`` raises; written whole.
    """
    recorded = ",".join(
        f'{{"version":{version},"type":"{type(event.fact).__name__}",'
        f'"schema_version":{event.fact.schema_version},"data":{_data_of(event)}}}'
        for version, event in enumerate(events, start=read_version + 1)
    )
    statement = APPEND_NOTHING if not events else APPEND if read_version else APPEND_NEW
    try:
        rows, result = database.rows_meanwhile(
            statement,
            {
                "order_id": order_id,
                "read_version": read_version,
                "version": read_version + len(events),
                "customer_id": order.customer_id,
                "status": events[-1].after.status if events else None,
                "state": order.model_dump_json(exclude_defaults=True),
                "events": f"[{recorded}]",
                "metadata": to_json(metadata).decode(),
                "principal": principal,
                "idempotency_key": idempotency_key,
                "request_hash": request_hash,
                "answer": answer,
            },
            meanwhile,
        )
    except postgres_errors.UniqueViolation as error:
        if error.diag.table_name == "command_results":
            raise KeyReusedError from error
        # Two writers of one version: the second finds the log's key taken.
        if error.diag.table_name == "order_events":
            return None
        raise
    except DatabaseUnavailableError as error:
        # Key or order: the first request with a key locks its order, and the second waits there.
        if idempotency_key and isinstance(error.__cause__, postgres_errors.LockNotAvailable):
            raise KeyInUseError from error
        raise
    return result if rows else None


def _data_of(event: Recorded) -> str:
    data = event.data()
    # Few events have so many characters that their bytes have to be counted.
    if 4 * len(data) > MAX_EVENT_BYTES and (size := len(data.encode())) > MAX_EVENT_BYTES:
        raise EventTooLargeError(f"{type(event.fact).__name__} has {size} bytes")
    return data
