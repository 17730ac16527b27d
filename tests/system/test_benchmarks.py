"""The comparisons at toy size: each runs to its end, and both sides answer alike."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from ordering.read_side.query import READ_MODELS
from tests.benchmarks import (
    cold_start,
    command_cost,
    complex_queries,
    contention,
    database_cpu,
    freshness,
    peak,
    projector_cost,
    query_cost,
    soak,
)
from tests.benchmarks.asked import KINDS
from tests.benchmarks.crew import WORKERS
from tests.benchmarks.data import dataset
from tests.benchmarks.data.dataset import provide, require_room
from tests.benchmarks.measuring import TooLittleError, percentile, read_result, write_result
from tests.benchmarks.sides import OURS, SIDES, THEIRS
from tests.running_stack import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.system

ORDERS = 300
KAFKA = "embedded"


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("bench")
    made = provide(ORDERS, build=directory).made
    assert made["orders"] == ORDERS
    assert made["events"] > 8 * ORDERS
    return directory


def test_every_question_is_answered_alike_and_timed(build: Path) -> None:
    result = complex_queries.run([ORDERS], 2, build=build)
    assert result["answers_compared"][ORDERS] > 5 * len(KINDS)
    told = result["summary"][ORDERS]
    assert told["kinds"].keys() == KINDS.keys()
    assert all(figures[side]["p50"] > 0 for figures in told["kinds"].values() for side in SIDES)


def test_a_workload_costs_both_sides_something(build: Path) -> None:
    result = database_cpu.run(ORDERS, rate=20, seconds=4, repetitions=1, kafka=KAFKA, build=build)
    told = result["summary"]
    assert told["ratios"]["database_cpu"]["median"] > 0
    for side in SIDES:
        assert told[side]["errors"] == 0
        assert told[side]["requests"] > 40


def test_the_highest_rate_is_found_and_exceeded(
    build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not by the time that it takes: with so few cores, other tests have them too.
    monkeypatch.setattr(peak, "is_sustained", lambda served: len(served.samples) < 45)
    monkeypatch.setattr(peak, "FACTORS", (1, 2))
    monkeypatch.setattr(peak, "_STEPS", 1)
    result = peak.run(ORDERS, seconds=1, repetitions=1, kafka=KAFKA, build=build)
    told = result["summary"]
    assert told["multiples"].keys() == {"1", "2"}
    for side in (OURS, THEIRS):
        tried = result["samples"]["tried"][side]
        assert {each["sustained"] for each in tried} == {True, False}
        assert told["highest"][side]["median"] == max(
            each["rate"] for each in tried if each["sustained"]
        )
        assert 20 <= told["highest"][side]["median"] < 80


def test_every_read_model_is_seen_to_have_a_command(build: Path) -> None:
    result = freshness.run(ORDERS, rates=[5], seconds=5, kafka=KAFKA, build=build)
    (of_rate,) = result["samples"].values()
    assert len(of_rate) == 9
    assert all(min(samples) > 0 for samples in of_rate.values())


def test_commands_that_meet_are_done_or_refused(build: Path) -> None:
    result = contention.run(ORDERS, seconds=0.5, repetitions=1, workers=3, hot=(1,), build=build)
    for side in SIDES:
        assert result["summary"]["1"][side]["done_per_second"]["median"] > 0


def test_a_soak_looks_at_memory_tables_and_ages(build: Path) -> None:
    result = soak.run(ORDERS, rate=10, seconds=6, every=1, kafka=KAFKA, build=build)
    told = result["summary"]
    assert told["errors"] == 0
    assert {"runner", "postgres"} <= told["memory_megabytes"].keys()
    assert told["tables"]["read.order_details_1"]["megabytes"]["end"] > 0
    assert 0 <= told["age_seconds"]["end"] < 10


def test_loops_are_timed_beside_their_statements(monkeypatch: pytest.MonkeyPatch) -> None:
    assert command_cost.run(2)["summary"]["ratio_of_medians"] > 0
    told = query_cost.run([50, 100], 2)["summary"]
    assert told["growth"] > 0
    assert told["growth_of_each"].keys() == query_cost.QUESTIONS.keys()
    monkeypatch.setattr(projector_cost, "BATCHES", (1, 50))
    monkeypatch.setattr(projector_cost, "GENERATIONS", (1,))
    told = projector_cost.run(60, 1)["summary"]
    assert {each["read_model"] for each in told["batches"]} == {*READ_MODELS} == {*told["fill"]}
    assert all(each["applied"] > 0 for each in told["batches"])


def test_starts_are_timed() -> None:
    told = cold_start.run(1, ["get_order"])["summary"]
    assert told.keys() == {"get_order", cold_start.NOTHING}
    assert told["get_order"]["median"] > told[cold_start.NOTHING]["median"] > 0


def test_a_benchmark_that_is_ended_leaves_nothing(build: Path) -> None:
    command = [sys.executable, "-m", "tests.benchmarks.database_cpu"]
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT}/functions:{ROOT}/layers/common"}
    options = [f"--orders={ORDERS}", f"--kafka={KAFKA}", "--seconds=60", f"--build={build}"]
    process = subprocess.Popen(
        [*command, *options],
        env=environment,
        cwd=ROOT,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    children: list[psutil.Process] = []
    until = time.monotonic() + 60
    while len(children) < WORKERS and time.monotonic() < until:
        time.sleep(0.2)
        children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) >= WORKERS
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=60)
    assert "ended; nothing was written" in told
    _, left = psutil.wait_procs(children, 15)  # multiprocessing's own process ends last
    assert left == []
    assert not [*build.glob("*.json"), *build.glob("*.new")]
    assert not [*(build / "running").iterdir()]


def test_a_data_set_of_other_sources_or_one_that_is_not_whole_is_made_anew(
    build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def make(directory: Path, orders: int) -> dict[str, int]:
        directory.mkdir(parents=True)
        made.append(orders)
        return {"orders": orders}

    monkeypatch.setattr(dataset, "_make", make)
    provide(ORDERS, build=build)
    assert made == []
    provide(7, build=build)
    provide(7, build=build)
    assert made == [7]
    monkeypatch.setattr(dataset, "SEED", 2)
    provide(7, build=build)
    assert made == [7, 7]
    (build / "data" / "7" / "dataset.json").unlink()
    provide(7, build=build)
    assert made == [7, 7, 7]


def test_too_little_disk_is_said_before_the_work_begins(tmp_path: Path) -> None:
    with pytest.raises(TooLittleError, match=r"need [0-9]+ GB .* fewer orders"):
        require_room(10**12, tmp_path)


def test_a_result_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    write_result("x", {"summary": 1}, directory=tmp_path)
    with pytest.raises(TypeError):
        write_result("x", {"summary": object()}, directory=tmp_path)
    told = read_result("x", directory=tmp_path)
    assert told is not None
    assert told["summary"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]
    assert json.loads((tmp_path / "x.json").read_text())["environment"]["cores"]


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1), (0.5, 50), (0.95, 95), (0.99, 99), (1.0, 100)]
)
def test_a_percentile_is_a_sample_that_so_many_do_not_exceed(share: float, expected: int) -> None:
    assert percentile([*range(100, 0, -1)], share) == expected
