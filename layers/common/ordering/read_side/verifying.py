"""Compares a generation with a fresh fold of the log, and sums with their shares added up anew."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .folding import OrderRow, fold_all
from .generations import lock
from .refolding import Refolder
from .shapes import table_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from .generations import Generation
    from .log import EventLog, LoggedEvent
    from .shapes import Shape, Sums
    from .store import ReadModelStore

_UNDECIDED: Final = timedelta(seconds=30)
"""An event's time is that of its transaction's begin; when it was acknowledged is later."""
_MOST: Final = 100
"""So many differences are told; the rest is counted."""

# One statement: rows of one moment, and as_of of the same.
_READ: Final = """
select 'order', order_id::text, null, version, document, last_event_time, {columns_fit}
from {table} as t where {chosen}
{rows}union all
select 'parked', order_id::text, null, null, null, null, null from parked_events
where read_model = %(read_model)s and generation = %(generation)s and {chosen}
union all
select 'discarded', order_id::text, null, version, null, null, null from discarded_events
where read_model = %(read_model)s and {chosen}
union all
select 'as_of', null, null, null, null, min(as_of), null from watermarks
where projection = %(read_model)s having count(*) = count(as_of) and count(gap_at) = 0
"""
_ROWS: Final = """union all
select 'row', order_id::text, {key}::text, null, document, null, {columns_fit}
from {table} as t where {chosen}
"""
_NAMED: Final = "order_id = any(%(order_ids)s::uuid[])"
_RANGE: Final = """(%(after)s is null or order_id > %(after)s::uuid)
  and (%(to)s is null or order_id <= %(to)s::uuid)"""
_SHARES: Final = """
select {keys}, {aggregates}
from (select document from {table}) as t, json_to_recordset(t.document -> 'share') as r ({types})
group by {keys}
"""
_COMPARE: Final = """
select json_build_object({named}), row_to_json(s)::text, row_to_json(k)::text
from ({shares}) as s full join {table} as k using ({keys})
where {differ}
limit {most}
"""
_ADD_UP: Final = """
{lock};
delete from {table};
insert into {table} ({keys}, {measures}) {shares}
"""


class Difference(NamedTuple):
    """What is not as it should be: of an order, or with the keys of sums."""

    where: str
    what: str


@dataclass
class Verified:
    """What was compared, and what differs."""

    orders: int = 0
    parked: int = 0
    differing: int = 0
    differences: list[Difference] = field(default_factory=list)

    def add(self, where: str, what: str) -> None:
        """Count a difference, and tell it if not too many are told."""
        self.differing += 1
        if len(self.differences) < _MOST:
            self.differences.append(Difference(where, what))


@dataclass
class _Kept:
    """What a generation has of some orders, of one moment."""

    as_of: datetime | None = None
    orders: dict[str, OrderRow] = field(default_factory=dict)
    misfits: set[str] = field(default_factory=set)
    """The orders whose columns are not what their documents say."""
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    parked: set[str] = field(default_factory=set)
    discarded: dict[str, set[int]] = field(default_factory=dict)


class Verifier:
    """Compares one generation, and repairs it."""

    def __init__(self, log: EventLog, store: ReadModelStore, generation: Generation) -> None:
        self._log = log
        self._store = store
        self._generation = generation
        self._revision = store.read_model.revisions[generation.revision]

    def verify_sample(self, size: int, verified: Verified) -> None:
        """Compare so many orders, chosen by chance.

        Raises, as the other methods do:
            DatabaseUnavailableError: a database does not answer.
        """
        order_ids = self._log.sample(size)
        self._compare(self._read(_NAMED, {"order_ids": order_ids}), order_ids, verified)

    def verify_orders(self, order_ids: Iterable[str], verified: Verified) -> None:
        """Compare these orders."""
        names = list(order_ids)
        self._compare(self._read(_NAMED, {"order_ids": names}), names, verified)

    def verify_next(self, after: str | None, size: int, verified: Verified) -> str | None:
        """Compare the orders that follow, and what the generation has between them.

        Returns:
            The last one compared; None: there are none left.
        """
        order_ids = self._log.order_ids(after, size)
        to = order_ids[-1] if len(order_ids) == size else None
        kept = self._read(_RANGE, {"after": after, "to": to})
        self._compare(kept, [*dict.fromkeys([*order_ids, *kept.orders])], verified)
        return to

    def verify_sums(self, verified: Verified) -> None:
        """Compare the sums with the orders' shares, added up anew."""
        shape = self._revision.shape.added_up
        if shape is None:
            return
        statement = _COMPARE.format(
            named=", ".join(f"'{key}', {key}" for key in shape.keys),
            shares=self._shares(shape),
            table=self._table("sums"),
            keys=", ".join(shape.keys),
            differ=" or ".join(
                [
                    *(f"coalesce(s.{name}, 0) <> coalesce(k.{name}, 0)" for name in shape.sums),
                    *(
                        f"s.{name} is not null and s.{name} is distinct from k.{name}"
                        for name in {**shape.earliest, **shape.latest}
                    ),
                ]
            ),
            most=_MOST,
        )
        for keys, shares, sums in self._store.database.rows(statement):
            verified.add(json.dumps(keys), f"the shares add up to {shares}, the sums are {sums}")

    def repair_orders(self, order_ids: Iterable[str]) -> None:
        """Replace what there is of these orders by a fresh fold."""
        Refolder(self._log, self._store, self._generation).refold(list(order_ids))

    def repair_sums(self) -> None:
        """Replace the sums by the orders' shares, added up anew; no writer is at work meanwhile."""
        shape = self._revision.shape.added_up
        if shape is not None:
            self._store.database.rows(
                _ADD_UP.format(
                    lock=lock(self._store.read_model.name, is_shared=False),
                    table=self._table("sums"),
                    keys=", ".join(shape.keys),
                    measures=", ".join(shape.measures),
                    shares=self._shares(shape),
                )
            )

    def _shares(self, shape: Sums) -> str:
        return _SHARES.format(
            keys=", ".join(shape.keys),
            aggregates=", ".join(
                f"{aggregate} as {name}"
                for name, aggregate in zip(shape.measures, shape.aggregates(), strict=True)
            ),
            table=self._table(),
            types=", ".join(f"{n} {t}" for n, t in {**shape.keys, **shape.measures}.items()),
        )

    def _table(self, part: str = "") -> str:
        return table_of(self._store.read_model.name, self._generation.number, part)

    def _read(self, chosen: str, parameters: Mapping[str, object]) -> _Kept:
        shape = self._revision.shape
        columns = {"customer_id": "text", **shape.columns}
        rows = ""
        if (of_each := shape.several_rows) is not None:
            rows = _ROWS.format(
                key=of_each.key,
                columns_fit=_fit(of_each.row_columns),
                table=self._table("rows"),
                chosen=chosen,
            )
        statement = _READ.format(
            columns_fit=_fit(columns), table=self._table(), chosen=chosen, rows=rows
        )
        names = {
            "read_model": self._store.read_model.name,
            "generation": self._generation.number,
        }
        kept = _Kept()
        for kind, order_id, key, version, document, time, fits in self._store.database.rows(
            statement, {**parameters, **names}
        ):
            if kind == "order":
                kept.orders[order_id] = OrderRow(version, None, document, time)
            elif kind == "row":
                kept.rows.setdefault(order_id, {})[key] = document
            elif kind == "parked":
                kept.parked.add(order_id)
            elif kind == "discarded":
                kept.discarded.setdefault(order_id, set()).add(version)
            else:
                kept.as_of = time
            if fits is False:
                kept.misfits.add(order_id)
        return kept

    def _compare(self, kept: _Kept, order_ids: list[str], verified: Verified) -> None:
        # Read after the rows: the log has all that they were made of, and maybe more by now.
        histories = self._log.of(order_ids)
        for order_id in order_ids:
            verified.orders += 1
            verified.parked += order_id in kept.parked
            what = self._difference(kept, order_id, histories.get(order_id, []))
            if what:
                verified.add(order_id, what)

    def _difference(self, kept: _Kept, order_id: str, events: list[LoggedEvent]) -> str:
        """Return what is wrong with an order; empty: nothing."""
        row = kept.orders.get(order_id) or OrderRow()
        if not events:
            return "the log has no such order" if row.version else ""
        if row.version > len(events):
            return f"version {row.version} is applied, the log has {len(events)}"
        if order_id not in kept.parked and kept.as_of is not None:
            due = sum(event.time < kept.as_of - _UNDECIDED for event in events)
            if row.version < due:
                return f"version {row.version} is applied, {due} is older than as_of"
        fresh = OrderRow()
        failure = fold_all(
            fresh, self._revision, events[: row.version], kept.discarded.get(order_id, ())
        )
        if failure is not None:
            return f"a fresh fold fails at version {failure.position + 1}: {failure.error}"
        wrong = [
            name
            for name, is_right in (
                ("document", _as_json(fresh.document) == row.document),
                ("rows", _rows(self._revision.shape, fresh) == kept.rows.get(order_id, {})),
                ("columns", order_id not in kept.misfits),
                ("last_event_time", row.last_event_time in {None, fresh.last_event_time}),
            )
            if not is_right
        ]
        return f"not as a fresh fold makes it: {', '.join(wrong)}" if wrong else ""


def _fit(columns: Mapping[str, str]) -> str:
    """Return the SQL that says whether the columns are what the document says."""
    checks = [
        f"t.{name} is not distinct from (t.document ->> '{name}')::{kind}"
        for name, kind in columns.items()
    ]
    return " and ".join(checks) or "true"


def _as_json(document: Any) -> Any:  # noqa: ANN401 - what is stored as JSON
    return json.loads(json.dumps(document))


def _rows(shape: Shape, fresh: OrderRow) -> dict[str, Any]:
    if shape.several_rows is None:
        return {}
    return {str(k): _as_json(row) for k, row in fresh.rows.items() if row is not None}
