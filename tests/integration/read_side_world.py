"""A whole read side in this process: a log, a topic, projectors, and what goes wrong with them.

Everything is driven step by step: what is delivered again, cut off, or done by two invocations at
once happens where a test says so.
"""

from __future__ import annotations

import importlib
import json
import random
import time
import uuid
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from infra.contracts.functions import files_of
from ordering.read_side.filling import Filler
from ordering.read_side.folding import OrderRow, fold_all
from ordering.read_side.generations import LIVE, Generation
from ordering.read_side.log import EventLog, LoggedEvent
from ordering.read_side.projection import ProjectorFunction
from ordering.read_side.refolding import Refolder
from ordering.read_side.shapes import SHARE, table_of
from ordering.read_side.store import ReadModelStore
from ordering.runtime.link import PLANNED_ONCE
from ordering.runtime.postgres import DatabaseUnavailableError
from tests.databases import empty_read_side
from tests.integration.breaking import BreakableDatabase, KilledError, Poison
from tests.integration.projections import batch
from tests.recorded_lives import recorded_life
from tests.shared import write_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ordering.read_side.shapes import Sums
    from ordering.runtime.postgres import Database
    from tests.databases import Databases
    from tests.recorded_lives import LoggedFact

PARTITIONS: Final = 3
BEGIN: Final = datetime(2026, 11, 1, tzinfo=UTC)
AUDIT: Final = {"who": "test", "reason": "because"}


@cache
def lives() -> list[list[LoggedFact]]:
    """Return some hundred lives, each of which many orders can have."""
    chance = random.Random(11)  # noqa: S311 - the same lives each time
    return [recorded_life(chance, events=chance.randint(1, 25)) for _ in range(300)]


class Model:
    """One read model with its projector, and how far that has read."""

    def __init__(self, databases: Databases, stem: str, module: Any) -> None:  # noqa: ANN401 - a projector's module
        self.name = stem
        self.fold = module.fold
        self.shape = module.handler.shape
        self.poison = Poison()
        self.database = BreakableDatabase(
            databases.conninfo("read", "ordering_projector"), PLANNED_ONCE
        )
        self.operating = BreakableDatabase(databases.conninfo("read", "ordering_operation"))
        self.projector = ProjectorFunction(
            stem,
            self.poison.poisoned(module.fold),
            module.handler.shape,
            revision=module.handler.read_model.newest,
        )
        self.read_model = self.projector.read_model
        self.offsets = [0] * PARTITIONS

    def apply(self, event: dict[str, Any]) -> list[Any]:
        answer = self.projector.using(self.database)(event, None)
        failures: list[Any] = answer["batchItemFailures"]
        return failures


class World:
    """The log, the topic and the read models."""

    def __init__(self, databases: Databases) -> None:
        self.databases = databases
        self.read = databases.owner("read")
        self.write = databases.owner("write")
        self.operating_log = BreakableDatabase(databases.conninfo("write", "ordering_operation"))
        empty_read_side(self.read)
        self.write.rows("truncate orders, order_events")
        self.models = {
            file.stem: Model(databases, file.stem, file.module) for file in files_of("projectors")
        }
        self.topic: list[list[bytes]] = [[] for _ in range(PARTITIONS)]
        self.history: dict[str, list[LoggedEvent]] = {}
        self._fresh: dict[str, dict[str, OrderRow]] = {}

    # ── the write side ──────────────────────────────────────────────────────────────────────────
    def record(self, count: int, seed: int) -> int:
        """Record and publish what happens to so many new orders, whose events mix; count them."""
        chance = random.Random(seed)  # noqa: S311 - the same orders each time
        begun = {
            str(uuid.UUID(int=chance.getrandbits(128))): list(chance.choice(self.lives()))
            for _ in range(count)
        }
        logged: list[LoggedEvent] = []
        while begun:
            order_id = chance.choice(list(begun))
            for _ in range(chance.randint(1, 6)):
                if not begun[order_id]:
                    del begun[order_id]
                    break
                logged.append(self._log(order_id, begun[order_id].pop(0)))
        self._fresh.clear()
        self._insert(logged)
        for event in logged:
            self.publish(event)
        return len(logged)

    def lives(self) -> list[list[LoggedFact]]:
        """Return the lives that its orders have."""
        return lives()

    def _log(self, order_id: str, fact: LoggedFact) -> LoggedEvent:
        events = self.history.setdefault(order_id, [])
        at = BEGIN + timedelta(seconds=len(events))
        metadata = {"actor": "operator", "correlation_id": "c", "traceparent": "t"}
        event = LoggedEvent(order_id, len(events) + 1, *fact, metadata, at)
        events.append(event)
        return event

    def _insert(self, events: Iterable[LoggedEvent]) -> None:
        rows = [event._asdict() | {"time": event.time.isoformat()} for event in events]
        self.write.rows(
            "with e as (select * from json_to_recordset(%(rows)s::json) as r (order_id uuid,"
            " version int, event_type text, schema_version int, data text, metadata jsonb,"
            " time timestamptz)), o as (insert into orders (order_id, version, customer_id,"
            " status, state) select distinct order_id, 1, '', '', '{}'::jsonb from e"
            " on conflict do nothing)"
            " insert into order_events (order_id, version, type, schema_version, data, metadata,"
            " recorded_at) select order_id, version, event_type, schema_version, data::jsonb,"
            " metadata, time from e",
            {"rows": json.dumps(rows)},
        )

    def publish(self, event: LoggedEvent) -> None:
        partition = uuid.UUID(event.order_id).int % PARTITIONS
        self.topic[partition].append(
            write_record(
                event.event_type,
                event.schema_version,
                event.data,
                order_id=event.order_id,
                version=event.version,
                at=event.time,
            )
        )

    # ── the projectors ──────────────────────────────────────────────────────────────────────────
    def event(self, begins: Mapping[int, int], most: int) -> dict[str, Any]:
        """Return what an event source brings of these partitions from these offsets."""
        records: dict[str, Any] = {}
        for partition, begin in begins.items():
            values: list[bytes | None] = [*self.topic[partition][begin : begin + most]]
            if values:
                records |= batch({partition: values}, begin)["records"]
        return {"records": records}

    def deliver(self, name: str, most: int, *, back: int = 0) -> bool:
        """Give a projector its next batch, beginning up to ``back`` records too early."""
        model = self.models[name]
        begins = {n: max(0, offset - back) for n, offset in enumerate(model.offsets)}
        event = self.event(begins, most)
        if not event["records"]:
            return False
        try:
            failures = model.apply(event)
        except (DatabaseUnavailableError, KilledError):
            return True
        assert failures == [], "nothing is missing, so nothing stops"
        for records in event["records"].values():
            partition, end = records[0]["partition"], records[-1]["offset"] + 1
            model.offsets[partition] = max(model.offsets[partition], end)
        return True

    def deliver_all(self, name: str) -> None:
        model = self.models[name]
        while any(o < len(t) for o, t in zip(model.offsets, self.topic, strict=True)):
            assert self.deliver(name, 400)

    # ── operations ──────────────────────────────────────────────────────────────────────────────
    def filler(
        self,
        name: str,
        generation: int,
        *,
        breakable: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> Filler:
        model = self.models[name]
        database = model.operating if breakable else self._operating()
        store = ReadModelStore(database, model.read_model)
        log = EventLog(self.operating_log)
        return Filler(log, store, generation, clock=clock, sleep=lambda _: None)

    def retry(self, model: Model, order_id: str) -> None:
        """Retry an order in the live generation, on the connection that a test can break."""
        store = ReadModelStore(model.operating, model.read_model)
        number = self.generation(model.name, LIVE)
        assert number is not None
        refolder = Refolder(
            EventLog(self.operating_log), store, Generation(number, store.read_model.newest, LIVE)
        )
        assert refolder.refold([order_id]).failures == {}

    def _operating(self) -> Database:
        return self.databases.open("read", "ordering_operation")

    def generations(self, name: str) -> list[tuple[int, str]]:
        """Return the read model's generations with their states."""
        return self.read.rows(
            "select generation, state from generations where read_model = %(name)s order by 1",
            {"name": name},
        )

    def generation(self, name: str, state: str) -> int | None:
        """Return the first generation of the read model that is in this state."""
        return next((n for n, its in self.generations(name) if its == state), None)

    def operate(self, operation: str, **request: Any) -> Any:  # noqa: ANN401 - any answer
        """Carry out an operation with the read models as they are in this world."""
        handler = importlib.import_module(f"operations.{operation}").handler
        return handler.using(self.operating_log, self._operating())(request, None)

    # ── what has to be ──────────────────────────────────────────────────────────────────────────
    def fresh(self, name: str) -> dict[str, OrderRow]:
        """Return a fresh fold of each order; it is made once until more is recorded."""
        if name not in self._fresh:
            read_model = self.models[name].read_model
            revision = read_model.revisions[read_model.newest]
            rows = self._fresh[name] = {order_id: OrderRow() for order_id in self.history}
            for order_id, events in self.history.items():
                assert fold_all(rows[order_id], revision, events) is None
        return self._fresh[name]

    def check(self, name: str, generation: int) -> int:
        """Compare a generation with a fresh fold of the log, row by row; return the rows."""
        model = self.models[name]
        table = table_of(name, generation)
        kept = {
            order_id: (version, document)
            for order_id, version, document in self.read.rows(
                f"select order_id::text, version, document from {table}"  # noqa: S608 - names of ours
            )
        }
        fresh = self.fresh(name)
        expected = {i: (row.version, _as_json(row.document)) for i, row in fresh.items()}
        wrong = [i for i in kept.keys() | expected.keys() if kept.get(i) != expected.get(i)]
        assert not wrong, f"{table}: {wrong[0]}: {kept.get(wrong[0])}, not {expected.get(wrong[0])}"
        count = len(kept)
        if (of_each := model.shape.several_rows) is not None:
            rows = self.read.rows(
                f"select order_id::text, {of_each.key}, document"  # noqa: S608 - likewise
                f" from {table_of(name, generation, 'rows')}"
            )
            found = {(i, key): row for i, key, row in rows}
            wanted = {
                (i, key): _as_json(row)
                for i, each in fresh.items()
                for key, row in each.rows.items()
                if row is not None
            }
            odd = [k for k in found.keys() | wanted.keys() if found.get(k) != wanted.get(k)]
            assert not odd, f"{table}: {odd[0]}: {found.get(odd[0])}, not {wanted.get(odd[0])}"
            count += len(rows)
        if (sums := model.shape.added_up) is not None:
            count += self._check_sums(sums, table_of(name, generation, "sums"), fresh)
        return count

    def _check_sums(self, shape: Sums, table: str, fresh: Mapping[str, OrderRow]) -> int:
        expected: dict[tuple[str, ...], dict[str, Any]] = {}
        for row in fresh.values():
            for part in (row.document or {})[SHARE]:
                sums = expected.setdefault(
                    tuple(part[key] for key in shape.keys), defaultdict(lambda: Decimal(0))
                )
                for measure in shape.sums:
                    sums[measure] += Decimal(part[measure])
                for measure in shape.earliest:
                    sums[measure] = min(sums.get(measure) or part[measure], part[measure])
                for measure in shape.latest:
                    sums[measure] = max(sums.get(measure) or part[measure], part[measure])
        names = [*shape.keys, *shape.measures]
        found = {}
        for values in self.read.rows(f"select {', '.join(names)} from {table}"):  # noqa: S608 - names of ours
            row_of = dict(zip(names, values, strict=True))
            key = tuple(str(row_of.pop(name)) for name in shape.keys)
            for name in {**shape.earliest, **shape.latest}:
                row_of[name] = row_of[name].astimezone(UTC)
            # Where no order is any more, as in a stage of the work queue, the sums are nothing.
            if key in expected or any(row_of.values()):
                found[key] = row_of
        times = {**shape.earliest, **shape.latest}
        assert found == {
            key: {
                name: datetime.fromisoformat(value) if name in times else value
                for name, value in sums.items()
            }
            for key, sums in expected.items()
        }
        return len(found)


def _as_json(document: Any) -> Any:  # noqa: ANN401 - what is stored as JSON
    return json.loads(json.dumps(document))
