"""The service times that the benchmarks of this machine have left, in seconds."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tests.benchmarks.measuring import read_result
from tests.benchmarks.sides import OURS, SIDES, THEIRS
from tests.benchmarks.workload import COMMANDS, MIX

if TYPE_CHECKING:
    from pathlib import Path

NEEDED: Final = (
    "complex_queries",
    "commands",
    "database_cpu",
    "projectors",
    "relay",
    "cold_start",
    "peak",
)
LARGE_BATCH: Final = 500
SHARE_OF_COMMANDS: Final = MIX[COMMANDS] / sum(MIX.values())


class MissingError(Exception):
    """A benchmark has left no result; the message names those that have to run first."""


class Batch(NamedTuple):
    """What a projector takes for a batch: a part for each invocation, and one for each event."""

    function: float
    function_per_event: float
    database: float
    database_per_event: float


class Requests(NamedTuple):
    """What requests take on one side, alone on the machine."""

    questions: dict[str, list[float]]
    """Samples, by kind."""
    commands: list[float]
    """Samples, over an order's life."""
    command_processor: float
    """Of those: what is not waiting for a commit."""


class Background(NamedTuple):
    """What the read model's side does besides requests, as processor time."""

    idle: float
    """Share of one core, without a request."""
    round: float
    """Of relaying and projecting what has come, however much it is."""
    per_event: float


class Measured(NamedTuple):
    """Everything that the model takes from benchmarks."""

    requests: dict[str, Requests]
    background: Background
    batches: dict[str, Batch]
    """By read model."""
    command_database: float
    """Processor time of the write database per command."""
    relay_database: float
    """The same of the relay, per event."""
    question_database: float
    """Processor time of the read database per question of the mix."""
    command_function: float
    """Processor time of a command's handler."""
    question_function: float
    relay_events: float
    """Events per second of a relay that has a core."""
    init: float
    events_per_order: float
    trips: float
    """Round trips of a command."""
    peak: dict[str, Any]
    cores: int


def load(directory: Path) -> Measured:
    """Read the results.

    Raises:
        MissingError: one is not there.
    """
    found = {name: read_result(name, directory=directory) for name in NEEDED}
    missing = [name for name, result in found.items() if result is None]
    if missing:
        raise MissingError(f"measure these first: {', '.join(missing)}")
    results: dict[str, dict[str, Any]] = {n: result for n, result in found.items() if result}
    commands, cpu = results["commands"], results["database_cpu"]
    life = [*commands["samples"]["handler"]]
    own = statistics.fmean(
        statistics.median(commands["samples"]["handler"][stem])
        - statistics.median(commands["samples"]["bare"][stem])
        for stem in life
    )
    of_roles = {side: _database_by_role(cpu["runs"][side]) for side in SIDES}
    requests = {side: _requests(results, side, own, of_roles) for side in SIDES}
    batches = _batches(results["projectors"])
    question_database = of_roles[OURS]["ordering_query"] / (1 - SHARE_OF_COMMANDS)
    made = cpu["dataset"]
    return Measured(
        requests=requests,
        background=_background(cpu["runs"][OURS], requests[OURS], batches),
        batches=batches,
        command_database=of_roles[OURS]["ordering_command"] / SHARE_OF_COMMANDS,
        relay_database=of_roles[OURS]["ordering_relay"] / SHARE_OF_COMMANDS,
        question_database=question_database,
        command_function=own,
        question_function=max(0.0, _mean_question(requests[OURS]) - question_database),
        relay_events=results["relay"]["summary"]["relay"]["median"],
        init=statistics.median(each["median"] for each in results["cold_start"]["summary"].values())
        / 1000,
        events_per_order=made["events"] / made["orders"],
        trips=statistics.fmean(each["trips"] for each in commands["summary"]["commands"].values()),
        peak=results["peak"],
        cores=results["peak"]["environment"]["cores"],
    )


def _database_by_role(runs: list[dict[str, Any]]) -> dict[str, float]:
    """Return the seconds of each role's servers per request."""
    return {
        role: statistics.median(
            run["cpu_of_roles"].get(role, 0.0) / run["requests"] for run in runs
        )
        for role in runs[0]["cpu_of_roles"]
    }


def _requests(
    results: dict[str, dict[str, Any]],
    side: str,
    own: float,
    of_roles: dict[str, dict[str, float]],
) -> Requests:
    *_, of_largest = results["complex_queries"]["samples"].values()
    questions = {
        kind: [ms / 1000 for each in of_largest[kind][side] for ms in each]
        for kind in MIX
        if kind != COMMANDS
    }
    database = of_roles[side]["ordering_command"] / SHARE_OF_COMMANDS
    # The commands' own benchmark is of the one side; the other's statements take more or less.
    more = database - of_roles[OURS]["ordering_command"] / SHARE_OF_COMMANDS
    handled = results["commands"]["samples"]["handler"].values()
    return Requests(questions, [s + more for each in handled for s in each], own + database)


def _mean_question(requests: Requests) -> float:
    weight = sum(MIX[kind] for kind in requests.questions)
    return sum(
        MIX[kind] / weight * statistics.fmean(samples)
        for kind, samples in requests.questions.items()
    )


def _batches(projectors: dict[str, Any]) -> dict[str, Batch]:
    """Return what follows from batches of one event and large ones, of one generation."""
    of: dict[str, dict[int, Any]] = {}
    for each in projectors["summary"]["batches"]:
        if each["generations"] == 1:
            of.setdefault(each["read_model"], {})[each["batch"]] = each
    fitted = {}
    for name, by_size in of.items():
        one, large = by_size[1], by_size[LARGE_BATCH]
        parts = []
        for part in ("processor", "database"):
            per_event = large[part] / 1e6
            parts += [max(0.0, one[part] / 1e6 - per_event), per_event]
        fitted[name] = Batch(*parts)
    return fitted


def _background(
    runs: list[dict[str, Any]], requests: Requests, batches: dict[str, Batch]
) -> Background:
    idle = statistics.median(sum(run["cpu_idle_per_second"].values()) for run in runs)
    per_event = sum(b.function_per_event + b.database_per_event for b in batches.values())
    question = _mean_question(requests)
    rounds = []
    for run in runs:
        questions = run["requests"] - run["commands"]
        foreground = questions * question + run["commands"] * requests.command_processor
        rest = sum(run["cpu"].values()) - idle * run["seconds"] - foreground
        rounds.append(max(0.0, rest / run["commands"] - per_event))
    return Background(idle, statistics.median(rounds), per_event)


__all__ = ["LARGE_BATCH", "THEIRS", "Measured", "MissingError", "load"]
