"""Whatever happens to batches, fills and switches, each read model is a fresh fold of the log."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from typing import TYPE_CHECKING, Final, cast

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ordering.read_side.generations import BUILDING, FOLLOWING, LIVE, Generation
from ordering.read_side.log import EventLog
from ordering.read_side.query import READ_MODELS
from ordering.read_side.refolding import Refolder
from ordering.read_side.store import ReadModelStore
from tests.databases import begin_generation
from tests.integration.breaking import KilledError
from tests.integration.read_side_world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.databases import Databases

EVENTS: Final = 50_000
"""So many are recorded at least; each is applied by several of the projectors."""
AT_A_TIME: Final = 3
"""So many of the projectors."""

names = st.sampled_from(READ_MODELS)
seeds = st.integers(0, 2**32)
STEP = st.one_of(
    st.tuples(st.just("record"), st.integers(5, 60), seeds),
    st.tuples(st.just("deliver"), names, st.integers(1, 300)),
    st.tuples(st.just("deliver again"), names, st.integers(1, 300), st.integers(1, 500)),
    st.tuples(st.just("kill before"), names, st.integers(1, 3)),
    st.tuples(st.just("kill after"), names, st.integers(1, 3)),
    st.tuples(st.just("zombie"), names, st.integers(1, 300)),
    st.tuples(st.just("poison"), names, seeds),
    st.tuples(st.just("cure and retry"), names),
    st.tuples(st.just("begin"), names),
    st.tuples(st.just("fill"), names, st.integers(1, 3)),
    st.tuples(st.just("kill the fill"), names, st.integers(1, 8)),
    st.tuples(st.just("fill meets projector"), names, st.integers(1, 8)),
    st.tuples(st.just("switch"), names),
    st.tuples(st.just("switch back"), names),
    st.tuples(st.just("drop"), names),
)
done: Counter[str] = Counter()


class Run:
    """One run: the steps, and then everything is brought to its end and compared."""

    def __init__(self, databases: Databases, names: Sequence[str]) -> None:
        self.world = World(databases)
        self.names = names

    def record(self, count: int, seed: int) -> None:
        done["events"] += self.world.record(count, seed)

    def deliver(self, name: str, most: int) -> None:
        self.world.deliver(name, most)

    def deliver_again(self, name: str, most: int, back: int) -> None:
        self.world.deliver(name, most, back=back)

    def kill_before(self, name: str, statement: int) -> None:
        model = self.world.models[name]
        model.database.before[model.database.in_(statement)] = _kill
        self.world.deliver(name, 200)
        model.database.before.clear()

    def kill_after(self, name: str, statement: int) -> None:
        model = self.world.models[name]
        model.database.after[model.database.in_(statement)] = _kill
        self.world.deliver(name, 200)
        model.database.after.clear()

    def zombie(self, name: str, most: int) -> None:
        """Let a successor apply the same records and more between two statements of a batch."""
        model = self.world.models[name]
        database = model.database

        def successor() -> None:
            self.world.deliver(name, most + 100)

        database.before[database.in_(2)] = successor
        self.world.deliver(name, most)
        database.before.clear()

    def poison(self, name: str, seed: int) -> None:
        """Poison one order in a hundred, or one at least, somewhere in its life."""
        chance = random.Random(seed)  # noqa: S311 - the same each time
        history = self.world.history
        for order_id in chance.sample(sorted(history), min(len(history), 1 + len(history) // 100)):
            version = chance.randint(1, len(history[order_id]))
            self.world.models[name].poison.events.add((order_id, version))

    def cure_and_retry(self, name: str) -> None:
        model = self.world.models[name]
        model.poison.events.clear()
        parked = self.world.read.rows(
            "select distinct generation, order_id::text from parked_events"
            " where read_model = %(n)s",
            {"n": name},
        )
        done["parked orders retried"] += len(parked)
        store = ReadModelStore(model.operating, model.read_model)
        for number, order_id in parked:
            state = dict(self.world.generations(name))[number]
            refolder = Refolder(
                EventLog(self.world.operating_log),
                store,
                Generation(number, store.read_model.newest, state),
            )
            assert refolder.refold([order_id]).failures == {}

    def begin(self, name: str) -> None:
        begin_generation(self.world.read, name)

    def fill(self, name: str, chunks: int) -> None:
        if (number := self.world.generation(name, BUILDING)) is not None:
            ticks = itertools.count()
            clock = cast("Callable[[], float]", ticks.__next__)  # each look at it is a tick
            self.world.filler(name, number, clock=clock).run(chunks * 4)

    def kill_the_fill(self, name: str, statement: int) -> None:
        number = self.world.generation(name, BUILDING)
        if number is None:
            return
        database = self.world.models[name].operating
        database.after[database.in_(statement)] = _kill
        try:
            self.world.filler(name, number, breakable=True).run(float("inf"))
        except KilledError:
            done["fills killed"] += 1
        database.after.clear()

    def fill_meets_projector(self, name: str, statement: int) -> None:
        number = self.world.generation(name, BUILDING)
        if number is None:
            return
        database = self.world.models[name].operating
        database.before[database.in_(statement)] = lambda: self.deliver(name, 300)
        self.world.filler(name, number, breakable=True).run(float("inf"))
        database.before.clear()

    def switch(self, name: str) -> None:
        number = self.world.generation(name, BUILDING)
        if number is not None:
            self.world.filler(name, number).run(float("inf"))
            self._switch(name, number)

    def switch_back(self, name: str) -> None:
        number = self.world.generation(name, FOLLOWING)
        if number is not None:
            self.world.filler(name, number).catch_up(float("inf"))
            self._switch(name, number)

    def _switch(self, name: str, number: int) -> None:
        self.world.read.rows("select switch_generation(%(n)s, %(g)s)", {"n": name, "g": number})
        done["switches"] += 1

    def drop(self, name: str) -> None:
        number = self.world.generation(name, FOLLOWING)
        if number is not None:
            self.world.read.rows("select drop_generation(%(n)s, %(g)s)", {"n": name, "g": number})

    def finish(self) -> None:
        """Bring everything to its end, and compare every generation with a fresh fold."""
        for name in self.names:
            self.world.deliver_all(name)
            self.cure_and_retry(name)
            for number, state in self.world.generations(name):
                if state == BUILDING:
                    self.world.filler(name, number).run(float("inf"))
                elif state == FOLLOWING:
                    self.world.filler(name, number).catch_up(float("inf"))
            self.cure_and_retry(name)
            for number, state in self.world.generations(name):
                done["rows compared"] += self.world.check(name, number)
                done["generations compared"] += 1
                assert state in {LIVE, BUILDING, FOLLOWING}
        left = self.world.read.rows("select * from parked_events limit 1")
        assert left == []
        assert self.world.read.rows("select * from orders_behind limit 1") == []


def _kill() -> None:
    raise KilledError


@pytest.fixture(scope="module", autouse=True)
def _report(request: pytest.FixtureRequest) -> object:
    yield
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print("\n" + ", ".join(f"{count:,} {what}" for what, count in sorted(done.items())))  # noqa: T201 - the counts


def test_every_read_model_equals_a_fresh_fold(databases: Databases) -> None:
    @settings(
        max_examples=5,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        phases=[Phase.generate],
    )
    @given(st.permutations(READ_MODELS), st.lists(STEP, min_size=20, max_size=60))
    def holds(names: list[str], steps: list[tuple[str, ...]]) -> None:
        # A few of the read models at a time, on which more happens then to each.
        few = names[:AT_A_TIME]
        other = dict(zip(names, itertools.cycle(few), strict=False))
        with databases.borrowed():
            run = Run(databases, few)
            run.record(60, 1)
            for what, *how in steps:
                done[what] += 1
                done_to = [other.get(each, each) for each in how]
                getattr(run, what.replace(" ", "_"))(*done_to)
            try:
                run.finish()
            except AssertionError as error:
                error.add_note(f"after {steps}")
                raise

    while done["events"] < EVENTS:
        holds()
