"""ordering.orders → order_history: one item of GET /orders/{order_id}/history per event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ordering.domain.events import OrderPlaced
from ordering.domain.parts import PARTS
from ordering.read_side.documents import order_document, write_part, write_sums
from ordering.read_side.freshness import rfc3339
from ordering.read_side.projection import ProjectorFunction
from ordering.read_side.shapes import ROWS, Document, SeveralRows

if TYPE_CHECKING:
    from ordering.delivery.published import PublishedEvent

_KNOWN: Final = ("status", "totals", "balance", "units")


def fold(document: Document | None, published: PublishedEvent) -> Document:
    """Return the order's status and sums after one more event, and the event's item."""
    fact, after = published.fact, published.after
    if isinstance(fact, OrderPlaced):
        document = {"customer_id": fact.customer_id, "currency": fact.currency}
    before = order_document(document)
    currency = before["currency"]
    now: Document = {"status": after.status}
    if after.totals is not None:
        now["totals"] = write_sums(after.totals, currency)
    if after.balance is not None:
        now["balance"] = write_sums(after.balance, currency)
    if after.units is not None:
        now["units"] = dict(vars(after.units))
    changes = {name: value for name, value in now.items() if before.get(name) != value}
    for name in PARTS:
        parts = fact.lines if isinstance(fact, OrderPlaced) and name == "lines" else None
        if (changed := parts or getattr(after, name)) is not None:
            changes[name] = [write_part(part, currency) for part in changed]
    details = write_part(fact, currency)
    details.pop("lines", None)
    if details.get("confirmed_at", "") is None:  # it was confirmed when the event was recorded
        del details["confirmed_at"]
    item = {
        "version": published.version,
        "event": type(fact).__name__,
        "at": rfc3339(published.time),
        "actor": published.actor,
        "status": after.status,
        "details": details,
        "changes": changes,
    }
    return before | now | {ROWS: {published.version: item}}


handler = ProjectorFunction("order_history", fold, SeveralRows(key="version", key_type="int"))
