"""Predict what was measured here, then what the deployed system does: `make scale-model`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.benchmarks.measuring import parser_of, run_benchmark, say

from . import limits
from .deployed import RATES, Deployed, speed, template, watermarks
from .measured import MissingError, load
from .one_machine import validate
from .visible import simulate

if TYPE_CHECKING:
    from pathlib import Path

_ONE_CORE: int = int(limits.MEMORY_OF_A_CORE.value)
_READ_MODELS = (2, 7, 8)
_INTERVALS = (2.0, 5.0, 10.0)


def run(build: Path) -> dict[str, Any]:
    """Run the model on what the benchmarks have left; return the result.

    Raises:
        SystemExit: a benchmark has left nothing.
    """
    try:
        measured = load(build)
    except MissingError as error:
        raise SystemExit(str(error)) from None
    validated = validate(measured)
    for side, each in validated["highest"].items():
        say(f"{side}: predicted {each['predicted']:.0f}, measured {each['measured']:.0f}")
    configured = template()
    deployed = Deployed(measured, configured)
    memories = sorted({configured.memory, _ONE_CORE})
    capacities = {
        f"{memory}": [
            {
                **need._asdict(),
                "orders_to_begin_with": need.orders_until(need.begin_with),
                "orders_at_most": need.orders_until(need.at_most),
            }
            for need in deployed.needs(speed(memory))
        ]
        for memory in memories
    }
    needs = deployed.needs(1.0)
    rates: list[dict[str, Any]] = [
        {
            "orders": rate,
            "needs": {need.part: need.per_order * rate for need in needs},
            "too_much": [n.part for n in needs if n.per_order * rate > n.at_most],
            "visible": simulate(deployed, rate, 1.0),
            "surge_seconds": deployed.surge_seconds(rate, 1.0),
            "usd_of_a_month": deployed.month(rate, 1.0),
        }
        for rate in RATES
    ]
    for each in rates:
        say(f"{each['orders']:,} orders/s: {each['visible']['seen_ms']}, {each['too_much']}")
    idle = [
        {"read_models": models, "seconds": every, "partitions": configured.partitions}
        | watermarks(deployed, models, configured.partitions, every)
        for models in _READ_MODELS
        for every in _INTERVALS
    ]
    one_function = watermarks(deployed, 1, configured.partitions, _INTERVALS[0])
    return {
        "seed": 1,
        "summary": {
            "validation": validated,
            "template": configured._asdict(),
            "events_per_order": deployed.events,
            "questions_per_order": deployed.questions,
            "seconds": {
                "command": deployed.command_seconds(1.0),
                "question": deployed.question_seconds(1.0),
                "init": measured.init,
            },
            "capacities": capacities,
            "rates": rates,
            "watermarks": idle,
            "watermarks_of_one_function": one_function,
        },
        "given": [given._asdict() for given in limits.ALL],
        "background": measured.background._asdict(),
    }


def main() -> None:
    """Run and write the result."""
    asked = parser_of(__doc__, None).parse_args()
    run_benchmark("scale", lambda: run(asked.build), asked.build)


if __name__ == "__main__":
    main()
