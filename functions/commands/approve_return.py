"""POST /orders/{order_id}/returns/{return_id}/approve: an operator lets the items come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordering.command_side import CommandFunction
from ordering.domain.errors import RETURN_DECIDED, RETURN_NOT_FOUND, Refusal
from ordering.domain.events import ReturnApproved
from ordering.domain.values import PartId, Value

if TYPE_CHECKING:
    from datetime import datetime

    from ordering.domain.order import Order


class ApproveReturn(Value):
    """Let the items of a return come back."""

    return_id: PartId


def decide(order: Order, command: ApproveReturn, _at: datetime) -> list[ReturnApproved] | Refusal:
    """Approve a return that waits for a decision."""
    asked = order.return_(command.return_id)
    if asked is None:
        return RETURN_NOT_FOUND
    if asked.state != "requested":
        return RETURN_DECIDED
    return [ReturnApproved(return_id=command.return_id)]


handler = CommandFunction(ApproveReturn, decide)
