"""docs/rules.md: statuses, commands and events, and which command is accepted when.

The table is found by trying: orders are led through random lives, and in each state that they come
to every command is asked, in a few ways, at once and when the time for returns is over. What is
accepted in every order of a status that was found, in some, or in none, is what the table says.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from infra.contracts.functions import HttpFile, files_of
from ordering.domain.errors import Refusal
from ordering.domain.events import EVENT_TYPES
from ordering.domain.evolution import record
from ordering.domain.parts import RETURN_DAYS
from ordering.domain.status import DEFINITIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import TypeAlias

    from ordering.domain.events import OrderEvent
    from ordering.domain.order import Order

    Facts: TypeAlias = Sequence[OrderEvent]

_LIVES: Final = 600
_STEPS: Final = 24
_BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)
_LATER: Final = timedelta(days=RETURN_DAYS + 1)
"""Then whatever is delivered by now cannot be sent back any more."""


def documents() -> Mapping[str, str]:
    """Give docs/rules.md."""
    commands = files_of("commands")
    return {"docs/rules.md": "\n".join(_lines(commands)) + "\n"}


def _lines(commands: Sequence[HttpFile]) -> Iterator[str]:
    yield "# The rules of an order"
    yield ""
    yield "Generated from the code by `make contracts`."
    yield ""
    yield "## Statuses"
    yield ""
    yield "An order has the first status of this list whose definition holds."
    yield ""
    yield "| Status | Definition |"
    yield "|---|---|"
    yield from (f"| {each.status} | {each.meaning} |" for each in DEFINITIONS)
    yield ""
    yield "## Which command is accepted in which status"
    yield ""
    yield "● in every order of that status that was tried, ○ in some: there it depends on"
    yield "quantities, amounts, time and what came before."
    yield ""
    yield f"Found by trying: {_LIVES} orders are led through random lives of {_STEPS} steps. In"
    yield "each state that one comes to, every command is asked for the parts that there are, in"
    yield "quantities and amounts that may fit, never for what is so already: at once, and"
    yield f"{_LATER.days} days later. It is accepted if one of the ways to ask for it is."
    yield ""
    yield from _table(commands)
    yield ""
    yield "## Why a command is refused"
    yield ""
    yield "409 where nothing else is said; `not-found` codes are 404."
    yield ""
    for command in commands:
        yield f"### {command.stem}"
        yield ""
        yield f"`{command.route}`: {command.meaning}"
        yield ""
        if command.refusals:
            yield "| Code | Detail |"
            yield "|---|---|"
            yield from (f"| {refusal.code} | {refusal.detail} |" for refusal in command.refusals)
            yield ""
    yield "## Events"
    yield ""
    yield "| Event | Schema version | Meaning |"
    yield "|---|---|---|"
    for name, event in EVENT_TYPES.items():
        yield f"| {name} | {event.schema_version} | {' '.join((event.__doc__ or '').split())} |"


def _table(commands: Sequence[HttpFile]) -> Iterator[str]:
    accepted, seen = _tried(commands)
    # From the beginning of an order's life to its ends.
    statuses = [each.status for each in reversed(DEFINITIONS)]
    yield "| | " + " | ".join(statuses) + " |"
    yield "|---|" + ":-:|" * len(statuses)
    for command in commands:
        if command.stem == "place_order":
            continue
        marks = []
        for status in statuses:
            count = accepted[command.stem, status]
            marks.append("●" if count == seen[status] else "○" if count else " ")
        yield f"| {command.stem} | " + " | ".join(marks) + " |"


def _tried(commands: Sequence[HttpFile]) -> tuple[Counter[tuple[str, str]], Counter[str]]:
    """Count in how many orders of each status a command was accepted, and those orders."""
    chance = random.Random(1)  # noqa: S311 - the same lives each time
    accepted: Counter[tuple[str, str]] = Counter()
    seen: Counter[str] = Counter()
    known: set[str] = set()
    taken: Counter[tuple[str, str]] = Counter()
    later = [command for command in commands if command.stem != "place_order"]
    place = next(command for command in commands if command.stem == "place_order")
    for life in range(_LIVES):
        body, first = _BEGINNINGS[life % len(_BEGINNINGS)]
        placed = _ask(place, None, body, _BEGIN)
        order = record(None, () if isinstance(placed, Refusal) else placed)[1]
        for step in range(_STEPS):
            at = _BEGIN + timedelta(days=step)
            choices = _choices(later, order, at)
            state = order.model_dump_json()
            if state not in known:
                known.add(state)
                for found in (choices, _choices(later, order, at + _LATER)):
                    seen[order.status] += 1
                    accepted.update((stem, order.status) for stem in found)
            asides = _ASIDE if chance.randrange(4) else {"add_note", "cancel_order"}
            moves = first[step : step + 1] or [stem for stem in choices if stem not in asides]
            if not moves:
                break
            stem = chance.choice(moves)
            if life % 2:  # what was done least, so that no way is left out
                stem = min(moves, key=lambda move: taken[move, order.status])
            taken[stem, order.status] += 1
            order = record(order, chance.choice(choices[stem]))[1]
    missing = [each.status for each in DEFINITIONS if not seen[each.status]]
    if missing:
        raise AssertionError(f"no order came to {missing}: make the lives longer, or more of them")
    return accepted, seen


def _choices(
    commands: Sequence[HttpFile], order: Order, at: datetime
) -> Mapping[str, Sequence[Facts]]:
    """Give what may happen then by each command that is accepted, by its stem."""
    choices: dict[str, list[Facts]] = defaultdict(list)
    for command in commands:
        for body in _bodies(command.stem, order):
            facts = _ask(command, order, body, at)
            # What changes nothing is no answer to whether it is allowed.
            if facts and not isinstance(facts, Refusal):
                choices[command.stem].append(facts)
    return choices


def _ask(
    command: HttpFile, order: Order | None, body: Mapping[str, Any], at: datetime
) -> Facts | Refusal:
    asked = command.handler.command.model_validate(body)
    answer: Facts | Refusal = command.module.decide(order, asked, at)
    return answer


def _euros(amount: object) -> dict[str, str]:
    return {"amount": str(amount), "currency": "EUR"}


_LINE: Final[dict[str, Any]] = {"sku": "1", "quantity": 3, "unit_price": _euros("10.00")}
_FREE_LINE: Final = _LINE | {"unit_price": _euros("0")}
_ADDRESS: Final = {"name": "M", "street": "S 1", "city": "Berlin", "country": "DE"}
_PLACE: Final = {
    "customer_id": "ALFKI",
    "currency": "EUR",
    "lines": [_LINE],
    "shipping_address": _ADDRESS,
}
_BEGINNINGS: Final = (
    (_PLACE, ()),
    # Nothing of it is ever owed or due back.
    (_PLACE | {"lines": [_FREE_LINE]}, ()),
    # Now and then what is not free is cancelled, and the payment stays open to its end.
    (
        _PLACE | {"lines": [_LINE, _FREE_LINE]},
        ("confirm_order", "authorize_payment", "cancel_line"),
    ),
)
"""How orders begin: what is placed, and what is asked of it first."""
_ASIDE: Final = {
    *("add_note", "cancel_order", "cancel_line", "hold_order", "decline_payment"),
    *("report_lost_shipment", "change_shipping_address", "reject_return"),
}
"""Commands that lead away from what most orders come to."""
_WHY: Final[dict[str, Any]] = {"reason": "a reason"}


def _bodies(stem: str, order: Order) -> Iterator[dict[str, Any]]:  # noqa: C901, PLR0912 - one case per command
    """Give a few ways to ask for a command: for part and for all of what there is."""
    lines = [str(line.line_id) for line in order.lines]
    payments = [part.payment_id for part in order.payments]
    match stem:
        case "add_order_line":
            yield dict(_LINE)
        case "change_line_quantity":
            for line in order.lines:
                for quantity in (line.cancelled + 1, line.ordered + 1):
                    if quantity != line.ordered:
                        yield {"line_id": str(line.line_id), "quantity": quantity}
        case "remove_order_line":
            yield from ({"line_id": line} for line in lines)
        case "apply_coupon":
            yield {"code": "C", "percent_off": "10"}
        case "change_shipping_address":
            city = "Bonn" if order.shipping_address.city == "Berlin" else "Berlin"
            yield {"address": _ADDRESS | {"city": city}}
        case "authorize_payment":
            for part in (order.to_authorize, order.to_authorize / 2):
                amount = _euros(max(part.quantize(order.totals.total), order.totals.total * 0 + 1))
                yield {"payment_id": f"p{len(payments)}", "method": "card", "amount": amount}
        case "capture_payment":
            yield from ({"payment_id": payment} for payment in payments)
        case "decline_payment":
            yield from ({"payment_id": payment, **_WHY} for payment in payments)
        case "refund_payment":
            amount = _euros(max(order.balance.due_back, order.totals.total * 0 + 1))
            refund = {"refund_id": f"r{len(order.refunds)}", "amount": amount, **_WHY}
            yield from ({"payment_id": payment, **refund} for payment in payments)
        case "ship_items":
            for line in order.lines:
                for quantity in {1, max(1, line.to_ship)}:
                    items = [{"line_id": line.line_id, "quantity": quantity}]
                    shipment = {"shipment_id": f"s{len(order.shipments)}", "carrier": "DHL"}
                    yield {**shipment, "items": items}
        case "deliver_shipment" | "report_lost_shipment":
            yield from ({"shipment_id": part.shipment_id} for part in order.shipments)
        case "cancel_line":
            for line in order.lines:
                for quantity in {1, max(1, line.to_ship)}:
                    yield {"line_id": str(line.line_id), "quantity": quantity, **_WHY}
        case "request_return":
            for line in order.lines:
                for quantity in {1, max(1, line.delivered)}:
                    items = [_WHY | {"line_id": line.line_id, "quantity": quantity}]
                    yield {"return_id": f"t{len(order.returns)}", "items": items}
        case "approve_return" | "receive_return":
            yield from ({"return_id": part.return_id} for part in order.returns)
        case "reject_return":
            yield from ({"return_id": part.return_id, **_WHY} for part in order.returns)
        case "hold_order" | "cancel_order":
            yield dict(_WHY)
        case "start_fulfilment" | "add_note":
            yield {"text": "a note"} if stem == "add_note" else {}
        case _:
            yield {}
