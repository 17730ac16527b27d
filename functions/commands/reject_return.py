"""POST /orders/{order_id}/returns/{return_id}/reject: an operator does not take them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordering.command_side import CommandFunction
from ordering.domain.errors import RETURN_DECIDED, RETURN_NOT_FOUND, Refusal
from ordering.domain.events import ReturnRejected
from ordering.domain.sent import SentText500
from ordering.domain.values import PartId, Value

if TYPE_CHECKING:
    from datetime import datetime

    from ordering.domain.order import Order


class RejectReturn(Value):
    """Do not take the items of a return back, and say why."""

    return_id: PartId
    reason: SentText500


def decide(order: Order, command: RejectReturn, _at: datetime) -> list[ReturnRejected] | Refusal:
    """Reject a return that waits for a decision."""
    asked = order.return_(command.return_id)
    if asked is None:
        return RETURN_NOT_FOUND
    if asked.state != "requested":
        return RETURN_DECIDED
    return [ReturnRejected(return_id=command.return_id, reason=command.reason)]


handler = CommandFunction(RejectReturn, decide)
