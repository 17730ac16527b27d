"""Not taking items back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from commands.reject_return import RejectReturn, decide
from ordering.domain.errors import RETURN_DECIDED, RETURN_NOT_FOUND, Refusal
from tests.callers import OPERATORS
from tests.domain.fields import text
from tests.domain.vocabulary import (
    DELIVERED,
    RETURN_APPROVED,
    RETURN_RECEIVED,
    RETURN_REQUESTED,
    a_return_was_rejected,
    given,
    refusals,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordering.domain.events import OrderEvent
    from ordering.domain.order import Order
    from tests.domain.choices import Choice
    from tests.domain.fields import Field


CALLERS: Final = OPERATORS
SAMPLE: Final = {"return_id": "return-1", "reason": "opened and used"}
SAMPLE_FOLLOWS: Final = "request_return"
FIELDS: Final[Mapping[str, Field]] = {"reason": text(500)}


def weight(order: Order) -> int:
    """Return how much more often than others this is asked of such an order."""
    return sum(part.is_open for part in order.returns)


def choose_request(order: Order, choice: Choice) -> dict[str, Any]:
    """Return one of many requests for it, by the numbers of the choice."""
    return {
        "return_id": choice.part_id(
            "ret",
            [p.return_id for p in order.returns if choice.reaches(state=p.state == "requested")],
        ),
        "reason": "a reason",
    }


ANSWER = RejectReturn(return_id="return-1", reason="opened and used")


def test_a_requested_return_is_rejected() -> None:
    answered = given(*RETURN_REQUESTED).when(decide, ANSWER)
    answered.then(a_return_was_rejected())
    assert answered.order.status == "delivered"


@refusals(
    (DELIVERED, RETURN_NOT_FOUND),
    (RETURN_APPROVED, RETURN_DECIDED),
    (RETURN_RECEIVED, RETURN_DECIDED),
    ((*RETURN_REQUESTED, a_return_was_rejected()), RETURN_DECIDED),
)
def test_a_return_is_decided_once(past: Sequence[OrderEvent], refusal: Refusal) -> None:
    given(*past).when(decide, ANSWER).then_refused(refusal)
