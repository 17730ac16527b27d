"""What an order waits for: each stage's definition, from quantities and amounts. Pure.

An order can be in several stages at once, or in none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from .values import Stage


class Progress(NamedTuple):
    """What a stage is defined by: what was done with the order, its units and its amounts."""

    is_confirmed: bool
    is_held: bool
    is_in_fulfilment: bool
    has_open_return: bool
    to_ship: int
    shipped: int
    delivered: int
    owed: Decimal
    due_back: Decimal


class StageDefinition(NamedTuple):
    """What a stage means, for people and for the program."""

    stage: Stage
    meaning: str
    holds: Callable[[Progress], bool]


STAGES: Final = (
    StageDefinition(
        "held",
        "an operator stopped it, and it has to be released or cancelled",
        lambda now: now.is_held and now.to_ship > 0,
    ),
    StageDefinition(
        "to_pay",
        "it is confirmed and something is owed",
        lambda now: now.is_confirmed and now.owed > 0,
    ),
    StageDefinition(
        "to_fulfil",
        "it is confirmed, paid in full and not held, has units to ship, and no warehouse works on"
        " it yet",
        lambda now: (
            now.is_confirmed
            and now.owed == 0
            and not now.is_held
            and not now.is_in_fulfilment
            and now.to_ship > 0
        ),
    ),
    StageDefinition(
        "to_ship",
        "a warehouse works on it, it is not held, and units are still to ship",
        lambda now: now.is_in_fulfilment and not now.is_held and now.to_ship > 0,
    ),
    StageDefinition(
        "to_deliver",
        "units are on their way",
        lambda now: now.shipped > now.delivered,
    ),
    StageDefinition(
        "to_return",
        "a return waits for a decision or for its items",
        lambda now: now.has_open_return,
    ),
    StageDefinition(
        "to_refund",
        "more was captured, and not refunded, than the order costs now",
        lambda now: now.due_back > 0,
    ),
)
"""Every stage, in the order of an order's life."""


def stages_of(progress: Progress) -> list[Stage]:
    """Return the stages that an order is in."""
    return [definition.stage for definition in STAGES if definition.holds(progress)]
