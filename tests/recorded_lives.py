"""What random lives of orders leave in the log: for tests and benchmarks of the read side."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ordering.domain.errors import Refusal
from ordering.domain.evolution import record
from tests.domain.life import COMMANDS, random_order, random_steps
from tests.domain.vocabulary import NOW

if TYPE_CHECKING:
    import random

    from ordering.domain.order import Order

CUSTOMERS = ("ALFKI", "ANATR", "ANTON", "AROUT", "BERGS")


class LoggedFact(NamedTuple):
    """One event of a life, as it is stored."""

    event_type: str
    schema_version: int
    data: str


def recorded_life(
    chance: random.Random, *, events: int, may_cancel: bool = False
) -> list[LoggedFact]:
    """Return so many events of one order, or a few more, or all if it ends before."""
    order: Order | None = None
    recorded: list[LoggedFact] = []
    steps = iter(random_steps(chance, 400))
    asked = random_order(chance, most_lines=5)
    asked.fields["customer_id"] = chance.choice(CUSTOMERS)
    while len(recorded) < events:
        module = COMMANDS[asked.stem]
        try:
            command = module.handler.command.model_validate(asked.fields)
        except ValueError:
            command = None
        facts = command and module.decide(order, command, NOW)
        if facts and not isinstance(facts, Refusal):
            logged, order = record(order, facts)
            recorded += [
                LoggedFact(type(event.fact).__name__, event.fact.schema_version, event.data())
                for event in logged
            ]
        assert order is not None
        step = next(steps, None)
        if step is None:
            break
        asked = step.next_request(order, may_cancel=may_cancel)
    return recorded
