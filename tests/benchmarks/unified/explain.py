"""Writes how PostgreSQL carries out the unified model's statements: `make explain-unified`.

The plans are kept beside the code, so that anybody can see what the read model is compared with.
"""

from __future__ import annotations

import contextlib
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg2

from tests.benchmarks.asked import KINDS, draw, event_of
from tests.benchmarks.command_cost import RecordingDatabase
from tests.benchmarks.data.dataset import SEED, copied, provide
from tests.benchmarks.measuring import parser_of, say
from tests.benchmarks.servers import UNIFIED
from tests.benchmarks.sides import THEIRS, Side
from tests.benchmarks.workload import Requests

if TYPE_CHECKING:
    from collections.abc import Iterator

PLANS: Final = Path(__file__).parent / "plans.txt"
_EXPLAIN: Final = "explain (analyze, costs off, timing off, summary off, buffers off) "
# What was written once cannot be written again.
_EXPLAIN_ALONE: Final = "explain (costs off) "
_WRITES: Final = "writes"
_HEAD: Final = """\
How PostgreSQL carries out each statement of the unified model, with {orders:,} orders, warm.
Written by tests/benchmarks/unified/explain.py; ids and texts differ from run to run.
"""


def statements(
    side: Side, recording: RecordingDatabase, sample: Any
) -> Iterator[tuple[str, str, Any]]:
    """Yield the statements of each question, and of each command of an order's life."""
    chance = random.Random(SEED)
    for kind, question in KINDS.items():
        recording.statements.clear()
        side.call(question.stem, event_of(question, sample, chance))
        yield kind, *recording.statements[0]
    requests = Requests(sample, SEED, 0)
    stem, event = requests.place(chance)
    while True:
        recording.statements.clear()
        answer = side.call(stem, event)
        *loads, writes = recording.statements
        for load in loads:
            yield f"{stem} loads", *load
        yield f"{stem} {_WRITES}", *writes
        if stem == "place_order":
            requests.placed(answer, event)
        following = requests.next_of_the_first()
        if following is None:
            return
        stem, event = following


def main() -> None:
    """Explain every statement on a copy of a data set."""
    options = parser_of(__doc__, 150_000).parse_args()
    dataset = provide(options.orders, build=options.build)
    with copied(dataset) as servers:
        sample = draw(servers.superuser(UNIFIED), SEED)
        recording = RecordingDatabase(servers.conninfo(UNIFIED, "ordering_command"))
        side = Side(THEIRS, recording, recording)
        parts = [_HEAD.format(orders=dataset.made["orders"])]
        with (
            contextlib.closing(side),
            contextlib.closing(psycopg2.connect(servers.superuser(UNIFIED))) as connection,
            connection.cursor() as cursor,
        ):
            for what, statement, parameters in statements(side, recording, sample):
                explain = _EXPLAIN_ALONE if what.endswith(_WRITES) else _EXPLAIN
                cursor.execute(explain + statement, parameters)
                plan = "\n".join(line for (line,) in cursor.fetchall())
                connection.rollback()
                parts.append(f"── {what} {'─' * (96 - len(what))}\n{plan}\n")
    PLANS.write_text("\n".join(parts))
    say(f"written to {PLANS}")


if __name__ == "__main__":
    main()
