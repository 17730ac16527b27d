"""The model of the deployed system: its cores, what it reads, and what follows from it."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

import pytest
import simpy

from tests.benchmarks.measuring import write_result
from tests.benchmarks.pages import as_html, as_markdown
from tests.benchmarks.scale_model import limits, page
from tests.benchmarks.scale_model.__main__ import run
from tests.benchmarks.scale_model.cores import Cores
from tests.benchmarks.scale_model.deployed import Deployed, template, watermarks
from tests.benchmarks.scale_model.measured import MissingError, load
from tests.benchmarks.scale_model.visible import simulate
from tests.benchmarks.sides import OURS, SIDES
from tests.benchmarks.workload import COMMANDS, MIX, arrivals

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

MILLISECONDS = {"an order": 0.5, "top products of a year": 20.0}
READ_MODELS = ("order_details", "sales")


def worked(number_of_cores: int, jobs: list[tuple[float, float]]) -> list[float]:
    """Return how long jobs take, each given by when it comes and what it needs, in seconds."""
    world = simpy.Environment()
    cores = Cores(world, number_of_cores)
    taken = [0.0] * len(jobs)

    def job(number: int, at: float, seconds: float) -> Generator[simpy.Event, Any, None]:
        yield world.timeout(at)
        yield from cores.work(seconds)
        taken[number] = world.now - at

    for number, (at, seconds) in enumerate(jobs):
        world.process(job(number, at, seconds))
    world.run()
    return taken


def test_jobs_share_a_core_and_not_two() -> None:
    assert worked(1, [(0, 0.0105)]) == pytest.approx([0.0105])
    assert worked(1, [(0, 0.1), (0, 0.1)]) == pytest.approx([0.2, 0.2], rel=0.02)
    assert worked(2, [(0, 0.1), (0, 0.1)]) == pytest.approx([0.1, 0.1])
    short, long = worked(1, [(0.01, 0.002), (0, 0.1)])
    assert short < 0.006
    assert long == pytest.approx(0.102)


def test_a_busy_core_answers_as_queueing_theory_says() -> None:
    # A core that is shared fairly, with random arrivals: service time / (1 - utilisation).
    jobs = [(arrival.at, 0.01) for arrival in arrivals(70, 100, seed=1)]
    assert statistics.fmean(worked(1, jobs)) == pytest.approx(0.01 / 0.3, rel=0.15)


def results(directory: Path, *, projector_us: float = 40.0) -> Path:
    """Write what benchmarks would leave, with round numbers."""

    def write(name: str, **result: Any) -> None:  # noqa: ANN401 - any result
        write_result(name, result, directory=directory)

    questions = {
        kind: {side: [[MILLISECONDS.get(kind, 1.0)] * 10] for side in SIDES}
        for kind in MIX
        if kind != COMMANDS
    }
    write("complex_queries", samples={"150": questions})
    seconds = {"place_order": [0.002] * 5}
    write(
        "commands",
        samples={"handler": seconds, "bare": {"place_order": [0.0015] * 5}},
        summary={"commands": {"place_order": {"trips": 1}}},
    )
    of_role = {"ordering_command": 0.1, "ordering_query": 0.9}
    ours = {**of_role, "ordering_relay": 0.05, "ordering_projector": 0.5}
    runs = {
        side: [
            {
                "requests": 1000,
                "commands": 100,
                "seconds": 25.0,
                "cpu": {"database": 2.0 if side == OURS else 1.5, "functions": 1.0},
                "cpu_of_roles": ours if side == OURS else of_role,
                "cpu_idle_per_second": {"database": 0.01},
            }
        ]
        for side in SIDES
    }
    write("database_cpu", runs=runs, dataset={"events": 1000, "orders": 100})
    batches = [
        {"read_model": name, "generations": 1, "batch": size, "processor": us, "database": us / 2}
        for name in READ_MODELS
        for size, us in ((1, 400.0), (500, projector_us))
    ]
    write("projectors", summary={"batches": batches})
    write("relay", summary={"relay": {"median": 9_000.0}})
    write("cold_start", summary={"place_order": {"median": 150.0}})
    tried = [{"rate": 100.0, "latency_ms": {"p50": 2.0, "p99": 20.0}}]
    write(
        "peak",
        summary={"highest": {side: {"median": 300.0} for side in SIDES}},
        samples={"tried": dict.fromkeys(SIDES, tried)},
    )
    return directory


def test_the_model_runs_on_what_was_measured_and_fills_a_page(tmp_path: Path) -> None:
    told = run(results(tmp_path))
    validated = told["summary"]["validation"]
    for side in SIDES:
        assert 10 < validated["highest"][side]["predicted"] < 5_000
    # Two cores that have more to do are full earlier.
    ours, theirs = (validated["highest"][side]["predicted"] for side in SIDES)
    assert ours < theirs
    for of_memory in told["summary"]["capacities"].values():
        assert all(need["orders_to_begin_with"] <= need["orders_at_most"] for need in of_memory)
    few, *_, many = told["summary"]["rates"]
    assert many["too_much"]
    assert sum(few["usd_of_a_month"].values()) < sum(many["usd_of_a_month"].values())
    sections = page.sections(told)
    written = as_markdown(page.TITLE, sections)
    assert all(f"## {section.title}" in written for section in sections)
    assert all(given.meaning in written for given in limits.ALL)
    assert "None" not in written
    assert as_html(page.TITLE, sections).count("<table>") >= len(sections)


def test_what_was_not_measured_is_named(tmp_path: Path) -> None:
    results(tmp_path)
    (tmp_path / "relay.json").unlink()
    (tmp_path / "peak.json").unlink()
    with pytest.raises(MissingError, match="relay, peak"):
        load(tmp_path)
    with pytest.raises(SystemExit, match="measure these first"):
        run(tmp_path)


def test_what_costs_more_is_full_earlier(tmp_path: Path) -> None:
    cheap, dear = (
        Deployed(load(results(tmp_path / f"{us}", projector_us=us)), template())
        for us in (40.0, 80.0)
    )
    assert dear.partition_events(1.0) < cheap.partition_events(1.0)
    assert cheap.partition_events(0.3) < cheap.partition_events(1.0)
    needs = [{n.part: n.per_order for n in each.needs(1.0)} for each in (cheap, dear)]
    assert needs[0]["the topic"] < needs[1]["the topic"]
    assert needs[0]["the write database"] == needs[1]["the write database"]


def test_a_shard_that_is_full_keeps_commands_waiting(tmp_path: Path) -> None:
    deployed = Deployed(load(results(tmp_path)), template())
    calm = simulate(deployed, 100, 1.0)
    assert 0 < calm["seen_ms"]["p50"] < 100
    assert calm["shards"] == 1
    # A tenth of a core relays 900 events a second; planned for 60 %, it gets more shards.
    slow = simulate(deployed, 100, 0.1)
    assert slow["shards"] == 2
    assert slow["seen_ms"]["p50"] > calm["seen_ms"]["p50"]


def test_watermarks_cost_by_read_models_partitions_and_time(tmp_path: Path) -> None:
    deployed = Deployed(load(results(tmp_path)), template())
    two = watermarks(deployed, 2, 4, 2.0)
    assert two["invocations"] == pytest.approx(2 * 4 / 2 * 730 * 3600)
    eight = watermarks(deployed, 8, 4, 2.0)
    assert eight["usd"] == pytest.approx(4 * two["usd"])
    assert watermarks(deployed, 8, 4, 4.0)["usd"] == pytest.approx(2 * two["usd"])
