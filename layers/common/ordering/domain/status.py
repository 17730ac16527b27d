"""Where an order stands, in one word: each word's definition, from quantities and amounts. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from .order import Order
    from .parts import Balance, Units
    from .values import Status


class Standing(NamedTuple):
    """What a status is defined by: the order, its units and its balance, each summed up once."""

    order: Order
    units: Units
    balance: Balance


class Definition(NamedTuple):
    """What a status means, for people and for the program."""

    status: Status
    meaning: str
    holds: Callable[[Standing], bool]


DEFINITIONS: Final = (
    Definition(
        "refund_due",
        "more was captured, and not refunded, than the order costs now",
        lambda now: now.balance.due_back > 0,
    ),
    Definition(
        "cancelled",
        "every unit is cancelled",
        lambda now: now.order.is_cancelled,
    ),
    Definition(
        "held",
        "an operator stopped it",
        lambda now: now.order.held,
    ),
    Definition(
        "return_requested",
        "a return waits for a decision",
        lambda now: any(part.state == "requested" for part in now.order.returns),
    ),
    Definition(
        "return_approved",
        "a return may come back and has not yet",
        lambda now: any(part.state == "approved" for part in now.order.returns),
    ),
    Definition(
        "refunded",
        "every unit that was not cancelled came back, and money was refunded",
        lambda now: now.units.kept == 0 and now.balance.refunded > 0,
    ),
    Definition(
        "returned",
        "every unit that was not cancelled came back",
        lambda now: now.units.kept == 0,
    ),
    Definition(
        "completed",
        "it was completed",
        lambda now: now.order.completed,
    ),
    Definition(
        "part_returned",
        "some units came back",
        lambda now: now.units.returned > 0,
    ),
    Definition(
        "delivered",
        "every unit that was not cancelled is delivered",
        lambda now: now.units.to_ship == 0 and now.units.delivered == now.units.shipped,
    ),
    Definition(
        "part_delivered",
        "some units are delivered",
        lambda now: now.units.delivered > 0,
    ),
    Definition(
        "shipped",
        "every unit that was not cancelled is on its way",
        lambda now: now.units.to_ship == 0,
    ),
    Definition(
        "part_shipped",
        "some units are on their way",
        lambda now: now.units.shipped > 0,
    ),
    Definition(
        "in_fulfilment",
        "a warehouse works on it and nothing is on its way",
        lambda now: now.order.in_fulfilment,
    ),
    Definition(
        "paid",
        "it is confirmed and nothing is owed",
        lambda now: now.order.confirmed and now.balance.owed == 0,
    ),
    Definition(
        "part_paid",
        "it is confirmed and a part of it is paid",
        lambda now: now.order.confirmed and now.balance.captured > now.balance.refunded,
    ),
    Definition(
        "confirmed",
        "it is confirmed and nothing is paid",
        lambda now: now.order.confirmed,
    ),
    Definition(
        "placed",
        "it is not confirmed yet",
        lambda _: True,
    ),
)
"""Every status. An order has the first whose definition holds: what requires an action
comes before how far the order has got."""


def status_of(order: Order, units: Units, balance: Balance) -> Status:
    """Return the order's status; the caller passes its units and balance."""
    now = Standing(order, units, balance)
    return next(definition.status for definition in DEFINITIONS if definition.holds(now))
