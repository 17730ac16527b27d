"""What an event costs a projector, and a fill: `make bench-projectors`. Nothing needs to run.

Events of random lives are applied in batches of several sizes by each projector's handler in this
process, to one generation and to two. Beside it their last documents are written with psycopg2's
``execute_values``: one row per order, without decoding, folding, positions and checks. Both take
turns and wait for durable commits.
Then each read model is filled from a log of as many events. The projectors log to the standard
output, this to the error stream.
"""

from __future__ import annotations

import itertools
import json
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psutil
from psycopg2.extras import execute_values

from infra.contracts.functions import files_of
from ordering.delivery.published import PublishedEvent, read
from ordering.runtime.ids import uuid7
from tests.databases import begin_generation, empty_read_side, running_databases
from tests.domain.vocabulary import NOW
from tests.integration.projections import batch as batch_of
from tests.integration.read_side_world import World
from tests.recorded_lives import recorded_life
from tests.shared import write_record

from .measuring import parser_of, run_benchmark, say, spread

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ordering.read_side.shapes import Document
    from tests.databases import Databases

BATCHES: Final = (1, 100, 500)
GENERATIONS: Final = (1, 2)
EVENTS_OF_A_LIFE: Final = 12


class Result(NamedTuple):
    """Of one run: events per second of both writers, and microseconds of an event."""

    applied: float
    """Events per second of the projector."""
    processor: float
    """Microseconds of this process per event."""
    database: float
    """Microseconds of the projector's server process per event."""
    bare: float
    """Events per second of ``execute_values``."""


def life(chance: random.Random) -> list[bytes]:
    """Return the records of one order."""
    order_id = str(uuid7())
    return [
        write_record(*fact, order_id=order_id, version=version, at=NOW)
        for version, fact in enumerate(recorded_life(chance, events=EVENTS_OF_A_LIFE), start=1)
    ]


def topic(events: int) -> list[bytes]:
    """Return so many records of orders that go on side by side, as on a busy partition."""
    chance = random.Random(1)
    records: list[bytes] = []
    while len(records) < events:
        lives = [life(chance) for _ in range(50)]
        for version in range(max(map(len, lives))):
            records += [each[version] for each in lives if version < len(each)]
    return records[:events]


def batches(records: Sequence[bytes], size: int) -> Iterator[tuple[int, list[bytes]]]:
    for first in range(0, len(records), size):
        yield first, list(records[first : first + size])


def race(
    stem: str, databases: Databases, records: Sequence[bytes], size: int, generations: int
) -> Result:
    """Apply all records in batches to so many generations, and write the same rows bare, once."""
    owner = databases.owner("read")
    empty_read_side(owner)
    if generations > 1:
        begin_generation(owner, stem)
    owner.rows("drop table if exists bare")
    owner.rows("create table bare (order_id uuid primary key, version int, document json)")
    (file,) = (file for file in files_of("projectors") if file.stem == stem)
    database = databases.open("read", "ordering_projector")
    handler = file.handler.using(database)
    ((pid,),) = database.rows("select pg_backend_pid()")
    backend = psutil.Process(pid)
    used_before = sum(backend.cpu_times()[:2])
    bare = owner.session()
    documents: dict[str, Document] = {}
    applied = processor = written = 0.0
    for first, values in batches(records, size):
        event = batch_of({0: list(values)}, first)
        began, began_processor = time.perf_counter(), time.process_time()
        answer = handler(event, None)
        applied += time.perf_counter() - began
        processor += time.process_time() - began_processor
        assert answer == {"batchItemFailures": []}
        rows = rows_of(file.module, values, documents)
        began = time.perf_counter()
        with bare, bare.cursor() as cursor:
            execute_values(
                cursor,
                "insert into bare values %s on conflict (order_id) do update"
                " set version = excluded.version, document = excluded.document",
                rows,
                page_size=size,
            )
        written += time.perf_counter() - began
    bare.close()
    used = sum(backend.cpu_times()[:2]) - used_before
    database.close()
    count = len(records)
    return Result(count / applied, processor / count * 1e6, used / count * 1e6, count / written)


def rows_of(
    projector: Any,
    values: Sequence[bytes],
    documents: dict[str, Document],
) -> list[tuple[str, int, str]]:
    """Return the rows that the batch leads to: one per order, the last."""
    rows: dict[str, tuple[str, int, str]] = {}
    for value in values:
        event = read(value)
        assert isinstance(event, PublishedEvent)
        document = projector.fold(documents.get(event.order_id), event)
        documents[event.order_id] = document
        rows[event.order_id] = (event.order_id, event.version, json.dumps(document))
    return list(rows.values())


def filled(stem: str, world: World) -> float:
    """Fill a new generation from the log; return the events per second."""
    number = begin_generation(world.read, stem)
    world.read.rows("update generations set events_per_second = 10000000 where filled_at is null")
    began = time.perf_counter()
    progress = world.filler(stem, number).run(float("inf"))
    seconds = time.perf_counter() - began
    assert progress.is_ready
    world.read.rows("select drop_generation(%(name)s, %(n)s)", {"name": stem, "n": number})
    return progress.events_filled / seconds


def run(events: int, rounds: int) -> dict[str, Any]:
    """Measure all read models, batch sizes and generations, and the fills; return the result."""
    records = topic(events)
    told: list[dict[str, Any]] = []
    samples: list[Any] = []
    with (
        tempfile.TemporaryDirectory() as directory,
        running_databases(Path(directory)) as databases,
    ):
        Path(directory).chmod(0o755)
        say("read model       generations batch events/s processor us database us bare/s ratio")
        for stem in (file.stem for file in files_of("projectors")):
            for generations, size in itertools.product(GENERATIONS, BATCHES):
                some = records if size > 1 else records[: max(1, len(records) // 20)]
                of_rounds = [race(stem, databases, some, size, generations) for _ in range(rounds)]
                median = Result(*map(statistics.median, zip(*of_rounds, strict=True)))
                of = {"read_model": stem, "generations": generations, "batch": size}
                told.append({**of, **median._asdict(), "ratio": median.bare / median.applied})
                samples.append({**of, "rounds": [each._asdict() for each in of_rounds]})
                say(
                    f"{stem:16} {generations:11} {size:5} {median.applied:8,.0f}"
                    f" {median.processor:12.1f} {median.database:11.1f} {median.bare:6,.0f}"
                    f" {median.bare / median.applied:5.1f}"
                )
        fills = fill_all(databases, events, rounds)
    return {
        "seed": 1,
        "rounds": rounds,
        "summary": {
            "batches": told,
            "fill": {stem: spread(rates) for stem, rates in fills.items()},
        },
        "samples": {"batches": samples, "fill": fills},
    }


def fill_all(databases: Databases, events: int, rounds: int) -> dict[str, list[float]]:
    """Fill every read model from a log of so many events; return the events per second."""
    world = World(databases)
    recorded = 0
    for seed in itertools.count():
        recorded += world.record(500, seed)
        if recorded >= events:
            break
    say(f"\nfill of {recorded:,} events: events/s")
    fills = {}
    for stem in world.models:
        fills[stem] = [filled(stem, world) for _ in range(rounds)]
        say(f"{stem:16} {statistics.median(fills[stem]):8,.0f}")
    return fills


def main() -> None:
    """Measure and write the result."""
    parser = parser_of(__doc__, None)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    run_benchmark("projectors", lambda: run(asked.events, asked.rounds), asked.build)


if __name__ == "__main__":
    main()
