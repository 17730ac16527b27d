"""ordering.orders → work_queue: what each order waits for, and how many wait in each stage."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from ordering.domain.events import (
    FulfilmentStarted,
    OrderConfirmed,
    OrderHeld,
    OrderPlaced,
    OrderReleased,
)
from ordering.domain.stages import Progress, stages_of
from ordering.read_side.documents import costs_nothing, happened_at, order_document, write_amount
from ordering.read_side.freshness import rfc3339
from ordering.read_side.projection import ProjectorFunction
from ordering.read_side.shapes import ROWS, SHARE, Document, RowsAndSums, SeveralRows, Sums

if TYPE_CHECKING:
    from ordering.delivery.published import PublishedEvent
    from ordering.domain.values import Stage

_FACTS: Final = {
    OrderConfirmed: {"is_confirmed": True},
    OrderHeld: {"is_held": True},
    OrderReleased: {"is_held": False},
    FulfilmentStarted: {"is_in_fulfilment": True},
}


def fold(document: Document | None, published: PublishedEvent) -> Document:
    """Return the stages that the order is in after one more event, and since when.

    ``waits`` has the row of each, so that only those that change are written.
    """
    fact = published.fact
    if isinstance(fact, OrderPlaced):
        document = {
            "customer_id": fact.customer_id,
            "reference": fact.reference,
            "currency": fact.currency,
            "is_confirmed": False,
            "is_held": False,
            "is_in_fulfilment": False,
            "open_returns": {},
            "waits": {},
        }
    before = order_document(document)
    now = before | _FACTS.get(type(fact), {}) | _known(published, before)
    waits = {stage: _row(published, before, now, stage) for stage in stages_of(_progress(now))}
    rows: dict[str, Document | None] = dict.fromkeys(before["waits"].keys() - waits.keys())
    rows |= {stage: row for stage, row in waits.items() if row != before["waits"].get(stage)}
    share = [{"stage": stage, "waiting": 1} for stage in waits]
    return now | {"waits": waits, SHARE: share, ROWS: rows}


def _known(published: PublishedEvent, before: Document) -> Document:
    """Return those of the order's amounts, units and returns that the event says."""
    after, known = published.after, Document()
    if after.balance is not None:
        for name in ("owed", "due_back"):
            known[name] = write_amount(getattr(after.balance, name), before["currency"])
    if after.units is not None:
        known |= {name: getattr(after.units, name) for name in ("to_ship", "shipped", "delivered")}
    if costs_nothing(published):
        known |= {"owed": write_amount(Decimal(0), before["currency"]), "to_ship": 0}
    if after.returns is not None:
        known["open_returns"] = dict(before["open_returns"])
        for each in after.returns:
            known["open_returns"].pop(each.return_id, None)
            if each.is_open:
                units = sum(item.quantity for item in each.items)
                known["open_returns"][each.return_id] = units
    return known


def _progress(now: Document) -> Progress:
    return Progress(
        is_confirmed=now["is_confirmed"],
        is_held=now["is_held"],
        is_in_fulfilment=now["is_in_fulfilment"],
        has_open_return=bool(now["open_returns"]),
        to_ship=now["to_ship"],
        shipped=now["shipped"],
        delivered=now["delivered"],
        owed=Decimal(now["owed"]),
        due_back=Decimal(now["due_back"]),
    )


def _row(published: PublishedEvent, before: Document, now: Document, stage: Stage) -> Document:
    known = before["waits"].get(stage)
    return {
        "order_id": published.order_id,
        "stage": stage,
        "since": known["since"] if known else rfc3339(happened_at(published)),
        "customer_id": now["customer_id"],
        "reference": now["reference"],
        "units": _units(now, stage),
        "amount": _amount(now, stage),
    }


def _units(now: Document, stage: Stage) -> int | None:
    units: dict[str, int] = {
        "held": now["to_ship"],
        "to_fulfil": now["to_ship"],
        "to_ship": now["to_ship"],
        "to_deliver": now["shipped"] - now["delivered"],
        "to_return": sum(now["open_returns"].values()),
    }
    return units.get(stage)


def _amount(now: Document, stage: Stage) -> Document | None:
    field = {"to_pay": "owed", "to_refund": "due_back"}.get(stage)
    return {"amount": now[field], "currency": now["currency"]} if field else None


handler = ProjectorFunction(
    "work_queue",
    fold,
    RowsAndSums(
        rows=SeveralRows(key="stage", key_type="text", row_columns={"since": "timestamptz"}),
        sums=Sums(keys={"stage": "text"}, sums={"waiting": "bigint"}),
    ),
)
