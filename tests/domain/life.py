"""Random lives of an order: what is asked of it, step by step.

What is asked depends on a few small numbers and on the order as it is, so that a life goes on where
nearly every blindly chosen command would be refused; one step in four asks for something wrong.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ordering.domain.values import CURRENCY_DIGITS

if TYPE_CHECKING:
    from types import ModuleType

    from ordering.domain.order import Order
    from ordering.domain.parts import Line, Payment

COMMANDS: Final[dict[str, ModuleType]] = {
    file.stem: importlib.import_module(f"commands.{file.stem}")
    for file in sorted((Path(__file__).parents[2] / "functions" / "commands").glob("[a-z]*.py"))
}
"""The module of each command, by its stem."""

STATE, IDENTITY, AMOUNT = 6, 7, 8
"""What may be wrong with a command: a part in another state, another part, too much of it."""


@dataclass(frozen=True)
class Ask:
    """One command as a client sends it: the values of its path and its body."""

    stem: str
    path: dict[str, str]
    body: dict[str, Any]


def place(currency: str, numbers: list[tuple[int, int, int]], fee: int) -> Ask:
    """Ask for an order with one line per triple of quantity, price and rate."""
    lines = [_ordered(currency, *triple) for triple in numbers]
    address = {"name": "M", "street": "S 1", "city": "Berlin", "country": "DE"}
    body = {
        "customer_id": "ALFKI",
        "currency": currency,
        "lines": lines,
        "shipping_address": address,
        "shipping_fee": _money(fee, currency),
    }
    return Ask("place_order", {}, body)


def likely(order: Order) -> list[str]:  # noqa: C901 - one condition per command
    """Name the commands that lead on from here, the more so the earlier and the more often."""
    stems: list[str] = []
    if order.held:
        stems += ["release_order"] * 3
    if not order.confirmed:
        stems += ["confirm_order", "add_order_line", "confirm_order", "change_line_quantity"]
        stems += ["remove_coupon" if order.coupon else "apply_coupon", "remove_order_line"]
        return [*stems, "cancel_line", "change_shipping_address"]
    if any(open_for_capture(payment) for payment in order.payments) and order.balance.owed:
        stems += ["capture_payment"] * 3
    if order.to_authorize:
        stems += ["authorize_payment"] * 2
    if order.balance.due_back:
        stems += ["refund_payment"] * 3
    if not order.balance.owed and not order.in_fulfilment:
        stems += ["start_fulfilment"] * 3
    if order.units.shipped > order.units.delivered:
        stems += ["deliver_shipment", "deliver_shipment", "report_lost_shipment"]
    if order.in_fulfilment and order.units.to_ship:
        stems += ["ship_items", "ship_items", "ship_items", "cancel_line"]
    for part in order.returns:
        if part.is_open:
            answer = "receive_return" if part.state == "approved" else "approve_return"
            stems += [answer, answer, "reject_return"]
    if order.units.delivered > order.units.returned:
        stems += ["request_return", "complete_order"]
    return [*stems, "hold_order"] if order.units.to_ship else [*stems, "add_note"]


def open_for_capture(payment: Payment) -> bool:
    """Tell whether something of the payment can be captured."""
    return not payment.declined and payment.captured < payment.authorized


def ask(  # noqa: C901, PLR0912, PLR0915 - one case per command
    stem: str, which: int, much: int, wrong: int, order: Order
) -> Ask:
    """Choose what is asked: ``which`` part, how ``much`` of it, and what is ``wrong`` about it.

    The first two are 0 to 7; what is wrong is nothing up to 5, then STATE, IDENTITY, AMOUNT.
    """
    currency = "USD" if wrong == IDENTITY and which % 4 == 0 else order.currency
    reason = {"reason": "a reason"}
    line = _pick(order.lines, which, wrong)
    open_ones = [p for p in order.payments if open_for_capture(p) or wrong == STATE]
    to_refund = [p for p in order.payments if p.captured > p.refunded or wrong == STATE]
    path: dict[str, str] = {}
    body: dict[str, Any] = {}
    match stem:
        case "add_order_line":
            body = _ordered(currency, much + 1, which * 37, which)
        case "change_line_quantity":
            path, body = _line(line), {"quantity": much if wrong == AMOUNT else much + 1}
        case "remove_order_line":
            path = _line(line)
        case "cancel_line":
            path, body = _line(line), {"quantity": _units(line, "to_ship", much, wrong), **reason}
        case "apply_coupon":
            body = {"code": f"C{which % 2}"} | (
                {"percent_off": str(much * 12.5)}
                if which % 2
                else {"amount_off": _money(much * 500, currency)}
            )
        case "change_shipping_address":
            address = {"name": "M", "street": f"S {which}", "city": "Bonn", "country": "DE"}
            body = {"address": address}
        case "hold_order":
            body = reason
        case "authorize_payment":
            amount = _part(order.to_authorize, order.currency, much, wrong)
            new = _new_id("pay", len(order.payments), wrong)
            body = {"payment_id": new, "method": "card", "amount": _money(amount, currency)}
        case "capture_payment":
            path = {"payment_id": _id("pay", [p.payment_id for p in open_ones], which, wrong)}
            if much % 2:
                amount = _part(order.balance.owed, order.currency, much, wrong)
                body = {"amount": _money(amount, currency)}
        case "decline_payment":
            known = [p.payment_id for p in order.payments if not p.captured or wrong == STATE]
            path, body = {"payment_id": _id("pay", known, which, wrong)}, reason
        case "start_fulfilment":
            body = {"warehouse": "W"} if which % 2 else {}
        case "ship_items":
            body = {
                "shipment_id": _new_id("ship", len(order.shipments), wrong),
                "carrier": "DHL",
                "items": _items(order, "to_ship", which, much, wrong),
            }
        case "deliver_shipment" | "report_lost_shipment":
            away = [
                p.shipment_id for p in order.shipments if p.state == "shipped" or wrong == STATE
            ]
            path = {"shipment_id": _id("ship", away, which, wrong)}
        case "request_return":
            items = _items(order, "delivered", which, much, wrong)
            body = {
                "return_id": _new_id("ret", len(order.returns), wrong),
                "items": [item | reason for item in items],
            }
        case "approve_return" | "reject_return" | "receive_return":
            state = "approved" if stem == "receive_return" else "requested"
            known = [p.return_id for p in order.returns if p.state == state or wrong == STATE]
            body = reason if stem == "reject_return" else {}
            if stem == "receive_return" and much % 2:
                items = _items(order, "delivered", which, much - 1, wrong)
                # Of some lines, which may be in the return or not, or not in the order, none came.
                body = {"items": [item | {"quantity": 0} if much > 4 else item for item in items]}
                # Then it is the items that are wrong, and the return is right.
                wrong = 0 if wrong == IDENTITY else wrong
            path = {"return_id": _id("ret", known, which, wrong)}
        case "refund_payment":
            amount = _part(order.balance.due_back, order.currency, much, wrong)
            body = {
                "refund_id": _new_id("ref", len(order.refunds), wrong),
                "payment_id": _id("pay", [p.payment_id for p in to_refund], which, wrong),
                "amount": _money(amount, currency),
                **reason,
            }
        case "add_note":
            body = {"text": "n" * (2001 if wrong == AMOUNT else 5)}
        case "cancel_order":
            body = reason
    return Ask(stem, path, body)


def _ordered(currency: str, quantity: int, price: int, rate: int) -> dict[str, Any]:
    return {
        "sku": f"sku-{price}",
        "quantity": quantity,
        "unit_price": _money(price, currency),
        "discount": f"0.{rate % 8}5",
        "tax_rate": f"0.{rate % 3}7",
    }


def _money(units: int, currency: str) -> dict[str, str]:
    amount = Decimal(units).scaleb(-CURRENCY_DIGITS[currency])
    return {"amount": format(amount, "f"), "currency": currency}


def _pick(lines: tuple[Line, ...], which: int, wrong: int) -> Line | None:
    return None if wrong == IDENTITY else lines[which % len(lines)]


def _line(line: Line | None) -> dict[str, str]:
    return {"line_id": "99" if line is None else str(line.line_id)}


def _id(kind: str, known: list[str], which: int, wrong: int) -> str:
    """Choose one of those known; a wrong one is new."""
    return known[which % len(known)] if known and wrong != IDENTITY else f"{kind}-unknown"


def _new_id(kind: str, count: int, wrong: int) -> str:
    """Choose the next id; a wrong one is the last again."""
    return f"{kind}-{count - (wrong == IDENTITY)}"


def _units(line: Line | None, of: str, much: int, wrong: int) -> int:
    """Choose so many eighths of the line's units that are ``of`` a kind, or one too many."""
    there: int = 1 if line is None else getattr(line, of)
    return there + 1 if wrong == AMOUNT else max(1, there * (8 - much) // 8)


def _items(order: Order, of: str, which: int, much: int, wrong: int) -> list[dict[str, int]]:
    lines = [line for line in order.lines if getattr(line, of)] or list(order.lines)
    chosen = lines[which % len(lines) :][: 1 + much % 3]
    return [
        {
            "line_id": 99 if wrong == IDENTITY else line.line_id,
            "quantity": _units(line, of, much, wrong),
        }
        for line in chosen
    ]


def _part(amount: Decimal, currency: str, much: int, wrong: int) -> int:
    units = int(amount.scaleb(CURRENCY_DIGITS[currency]))
    return units + 1 if wrong == AMOUNT else max(1, units * (8 - much) // 8)
