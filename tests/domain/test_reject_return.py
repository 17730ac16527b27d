"""Not taking items back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from commands.reject_return import RejectReturn, decide
from ordering.domain.errors import RETURN_DECIDED, RETURN_NOT_FOUND, Refusal
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
    from collections.abc import Sequence

    from ordering.domain.events import OrderEvent

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
