"""ordering.orders → products: the ledger of each SKU, per span of time and currency."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from ordering.domain.events import OrderConfirmed, OrderLineRemoved, OrderPlaced
from ordering.read_side.business_time import business_zone, day_of
from ordering.read_side.documents import (
    costs_nothing,
    happened_at,
    order_document,
    with_entries,
    write_amount,
)
from ordering.read_side.folding import Revision
from ordering.read_side.projection import ProjectorFunction
from ordering.read_side.shapes import SHARE, Document, Sums

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ordering.delivery.published import PublishedEvent
    from ordering.domain.parts import Line

_ZONE: Final = business_zone()


def _spans(day: str) -> Mapping[str, str]:
    """Return the spans of time that a day is in, each with its first day."""
    return _days_and_months(day) | {"year": f"{day[:4]}-01-01", "all": "0001-01-01"}


def _days_and_months(day: str) -> dict[str, str]:
    return {"day": day, "month": f"{day[:7]}-01"}


def fold(document: Document | None, published: PublishedEvent) -> Document:
    """Return what the order has added to each SKU's spans of time so far.

    Its units and their revenue count on the day of its confirmation, as they are then; units that
    are cancelled or come back, and what they cost, on the day on which that happens.
    """
    return _fold(document, published, _spans)


def fold_of_revision_1(document: Document | None, published: PublishedEvent) -> Document:
    """Return what ``fold`` does, with days and months alone."""
    return _fold(document, published, _days_and_months)


def _fold(
    document: Document | None,
    published: PublishedEvent,
    spans_of: Callable[[str], Mapping[str, str]],
) -> Document:
    fact = published.fact
    if isinstance(fact, OrderPlaced):
        document = {
            "customer_id": fact.customer_id,
            "currency": fact.currency,
            "is_confirmed": False,
            "lines": {},
            SHARE: [],
        }
    before = order_document(document)
    currency = before["currency"]
    now = before | {"lines": _lines(before, published)}
    entries: Mapping[str, Mapping[str, Any]] = {}
    if isinstance(fact, OrderConfirmed):
        now["is_confirmed"] = True
        entries = _by_sku(
            (line["sku"], line["ordered"] - line["cancelled"], 0, 0, Decimal(line["revenue"]))
            for line in now["lines"].values()
        )
    elif before["is_confirmed"] and now["lines"] != before["lines"]:
        entries = _by_sku(_changes(before["lines"], now["lines"]))
    if entries:
        day = day_of(happened_at(published), _ZONE)
        now[SHARE] = with_entries(
            before[SHARE],
            [
                ({"span": span, "day": begin, "currency": currency, "sku": sku}, numbers)
                for sku, numbers in entries.items()
                for span, begin in spans_of(day).items()
            ],
            currency,
        )
    return now


def _lines(before: Document, published: PublishedEvent) -> dict[str, Document]:
    """Return the lines by their ids, as texts: what JSON has for keys."""
    fact, currency = published.fact, before["currency"]
    lines: dict[str, Document] = dict(before["lines"])
    if isinstance(fact, OrderPlaced):
        lines = {str(line.line_id): _line(line, currency) for line in fact.lines}
    if isinstance(fact, OrderLineRemoved):
        del lines[str(fact.line_id)]
    for line in published.after.lines or ():
        lines[str(line.line_id)] = _line(line, currency)
    if costs_nothing(published):
        nothing = write_amount(Decimal(0), currency)
        for line_id, known in lines.items():
            lines[line_id] = known | {"cancelled": known["ordered"], "revenue": nothing}
    return lines


def _line(line: Line, currency: str) -> Document:
    return {
        "sku": line.sku,
        "ordered": line.ordered,
        "cancelled": line.cancelled,
        "returned": line.returned,
        "revenue": write_amount(line.total - line.coupon_share, currency),
    }


_Change = tuple[str, int, int, int, Decimal]


def _changes(before: Mapping[str, Document], now: Mapping[str, Document]) -> Iterator[_Change]:
    for line_id, line in now.items():
        known = before[line_id]
        if line != known:
            yield (
                line["sku"],
                0,
                line["cancelled"] - known["cancelled"],
                line["returned"] - known["returned"],
                Decimal(line["revenue"]) - Decimal(known["revenue"]),
            )


def _by_sku(changes: Iterator[_Change]) -> dict[str, dict[str, Any]]:
    """Add the changes up: an order may have a SKU on several lines."""
    added: dict[str, dict[str, Any]] = {}
    for sku, *numbers in changes:
        known = added.get(sku, {})
        added[sku] = {
            name: known.get(name, 0) + number for name, number in zip(_SUMS, numbers, strict=True)
        }
    return added


_SUMS: Final = {"sold": "bigint", "cancelled": "bigint", "returned": "bigint", "revenue": "numeric"}

_SHAPE: Final = Sums(
    keys={"span": "text", "day": "date", "currency": "text", "sku": "text"},
    sums=_SUMS,
)

handler = ProjectorFunction(
    "products",
    fold,
    _SHAPE,
    revision=2,
    earlier={1: Revision(fold_of_revision_1, _SHAPE)},
)
