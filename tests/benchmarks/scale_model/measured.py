"""The service times that the benchmarks of this machine have left, in seconds."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tests.benchmarks.measuring import read_result
from tests.benchmarks.sides import OURS, SIDES, THEIRS
from tests.benchmarks.workload import COMMANDS, MIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
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
    """What requests take on one side, in processor time where nothing else is said."""

    questions: dict[str, list[float]]
    """Samples, by kind."""
    commands: list[float]
    """Samples of how long one takes, over an order's life."""
    command_processor: float
    """Of those: what is not waiting."""


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
    handler: float
    """Processor time of a request's handler, among others."""
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
    cpu = results["database_cpu"]
    handler = _median(run["cpu"]["functions"] / run["requests"] for run in cpu["runs"][THEIRS])
    of_roles = {side: _database_by_role(cpu["runs"][side]) for side in SIDES}
    requests = {side: _requests(results, side, handler, of_roles[side]) for side in SIDES}
    batches = _batches(results["projectors"])
    made = cpu["dataset"]
    return Measured(
        requests=requests,
        background=_background(cpu["runs"][OURS], requests[OURS], batches),
        batches=batches,
        command_database=of_roles[OURS]["ordering_command"] / SHARE_OF_COMMANDS,
        relay_database=of_roles[OURS]["ordering_relay"] / SHARE_OF_COMMANDS,
        question_database=of_roles[OURS]["ordering_query"] / (1 - SHARE_OF_COMMANDS),
        handler=handler,
        relay_events=results["relay"]["summary"]["relay"]["median"],
        init=_median(each["median"] for each in results["cold_start"]["summary"].values()) / 1000,
        events_per_order=made["events"] / made["orders"],
        trips=statistics.fmean(
            each["trips"] for each in results["commands"]["summary"]["commands"].values()
        ),
        peak=results["peak"],
        cores=results["peak"]["environment"]["cores"],
    )


def _median(values: Iterable[float]) -> float:
    return statistics.median(values)


def _database_by_role(runs: list[dict[str, Any]]) -> dict[str, float]:
    """Return the seconds of each role's servers per request; ``""``: the servers' own work."""
    roles = {
        role: _median(run["cpu_of_roles"].get(role, 0.0) / run["requests"] for run in runs)
        for role in runs[0]["cpu_of_roles"]
    }
    whole = _median(run["cpu"]["database"] / run["requests"] for run in runs)
    return {**roles, "": max(0.0, whole - sum(roles.values()))}


def _requests(
    results: dict[str, dict[str, Any]], side: str, handler: float, of_roles: dict[str, float]
) -> Requests:
    """Return what requests take among others.

    How the kinds of questions differ is known of one after the other, on a machine that does
    nothing else and has everything in its caches. What they take among others is known on average:
    the same more is added to each, since it is the beginning that costs more then.
    """
    *_, of_largest = results["complex_queries"]["samples"].values()
    alone = {
        kind: [ms / 1000 for each in of_largest[kind][side] for ms in each]
        for kind in MIX
        if kind != COMMANDS
    }
    among_others = of_roles["ordering_query"] / (1 - SHARE_OF_COMMANDS) + of_roles[""] + handler
    more = max(0.0, among_others - _mean_of(alone))
    questions = {kind: [more + each for each in samples] for kind, samples in alone.items()}
    processor = of_roles["ordering_command"] / SHARE_OF_COMMANDS + of_roles[""] + handler
    # A command waits for its commits besides.
    samples = results["commands"]["samples"]
    waited = [s for stem in samples["bare"] for s in samples["bare"][stem]]
    return Requests(questions, [processor + each for each in waited], processor)


def _mean_of(questions: Mapping[str, Sequence[float]]) -> float:
    weight = sum(MIX[kind] for kind in questions)
    return sum(MIX[kind] / weight * statistics.fmean(s) for kind, s in questions.items())


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
    idle = _median(sum(run["cpu_idle_per_second"].values()) for run in runs)
    per_event = sum(b.function_per_event + b.database_per_event for b in batches.values())
    question = _mean_of(requests.questions)
    rounds = []
    for run in runs:
        questions = run["requests"] - run["commands"]
        foreground = questions * question + run["commands"] * requests.command_processor
        rest = sum(run["cpu"].values()) - idle * run["seconds"] - foreground
        rounds.append(max(0.0, rest / run["commands"] - per_event))
    return Background(idle, _median(rounds), per_event)
