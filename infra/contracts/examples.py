"""Examples of answers: what the functions make of the sample requests under events/.

Nothing is written by hand where the code can be asked: one order is led through its life by the
samples, and problems are those that the code raises.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic import ValidationError

from infra.contracts.functions import ROOT, files_of
from ordering.command_side.problems import problem_of
from ordering.delivery.published import PublishedEvent
from ordering.domain.errors import Invalid, Refusal
from ordering.domain.evolution import record
from ordering.read_side.freshness import Freshness, Wish
from ordering.runtime.findings import findings
from ordering.runtime.http import Problem, Request, invalid_fields, problem_response
from projectors import customer_orders, order_details
from queries import get_read_models, list_customer_orders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ordering.domain.order import Order
    from ordering.domain.recorded import Recorded

ORDER_ID: Final = "00000000-0000-7000-8000-000000000001"
_BEGIN: Final = datetime(2026, 11, 22, 12, tzinfo=UTC)
_CORRELATION_ID: Final = "c0ffee"
_ON_ITS_WAY: Final = (
    *("place_order", "confirm_order", "authorize_payment", "capture_payment", "start_fulfilment"),
    *("ship_items", "deliver_shipment", "request_return", "approve_return", "receive_return"),
    *("refund_payment", "complete_order"),
)
"""What the samples ask of one order, one after the other."""
_ASIDE: Final = {
    "remove_order_line": ("place_order", "add_order_line"),
    "remove_coupon": ("place_order", "apply_coupon"),
    "release_order": ("place_order", "hold_order"),
    "decline_payment": _ON_ITS_WAY[:3],
    "report_lost_shipment": _ON_ITS_WAY[:6],
    "reject_return": _ON_ITS_WAY[:8],
}
"""What comes before commands that are not on that way; before others there is only place_order."""


class _Told(NamedTuple):
    """An order, and what was recorded of it, with when."""

    order: Order
    log: tuple[tuple[datetime, Recorded], ...]


def sample(stem: str) -> dict[str, Any]:
    """Read what a function is called with in its sample."""
    event: dict[str, Any] = json.loads((ROOT / "events" / f"{stem}.json").read_text())
    return event


@cache
def _after(*stems: str) -> _Told:
    """Send the samples of these commands, an hour apart."""
    *before, stem = stems
    order, log = _after(*before) if before else (None, ())
    command = next(file for file in files_of("commands") if file.stem == stem)
    event = sample(stem)
    path = {n: value for n, value in (event.get("pathParameters") or {}).items() if n != "order_id"}
    asked = command.handler.command.model_validate(json.loads(event.get("body") or "{}") | path)
    at = _BEGIN + timedelta(hours=len(before))
    facts = command.module.decide(order, asked, at)
    if isinstance(facts, Refusal):
        raise ValueError(f"say in _ASIDE what comes before {stem}; its sample is {facts.code} here")  # noqa: TRY004 - the samples' values are wrong, not a type
    events, order = record(order, facts)
    return _Told(order, (*log, *((at, event) for event in events)))


def receipt(stem: str) -> dict[str, Any]:
    """Give what a command answers to its sample."""
    before: tuple[str, ...] = ("place_order",)
    if stem in _ON_ITS_WAY:
        before = _ON_ITS_WAY[: _ON_ITS_WAY.index(stem)]
    order, log = _after(*_ASIDE.get(stem, before), stem)
    return {
        "order_id": ORDER_ID,
        "version": len(log),
        "status": order.status,
        "events": [type(log[-1][1].fact).__name__],
    }


def answer(stem: str) -> Any:  # noqa: ANN401 - a JSON document
    """Give what a query answers to its sample, of the order that the samples lead on."""
    match stem:
        case "get_order":
            return _document(order_details.fold)
        case "list_customer_orders":
            listed = json.dumps(_document(customer_orders.fold))
            question = list_customer_orders.ListCustomerOrders(customer_id="SAMPLE-CUSTOMER")
            rows = [(listed, _BEGIN, ORDER_ID)]
            return json.loads(list_customer_orders.answer(question, rows).body)
        case "get_read_models":
            models = [(name, _BEGIN, 0.204) for name in ("customer_orders", "order_details")]
            return json.loads(get_read_models.answer(get_read_models.GetReadModels(), models).body)
        case _:
            raise ValueError(f"there is no example of what {stem} answers yet")


def _document(fold: Callable[[dict[str, Any] | None, PublishedEvent], dict[str, Any]]) -> Any:  # noqa: ANN401 - a JSON document
    document: dict[str, Any] | None = None
    _, log = _after(*_ON_ITS_WAY, "add_note")
    for version, (at, event) in enumerate(log, start=1):
        published = PublishedEvent(
            *(ORDER_ID, version, at, "operator", _CORRELATION_ID, ""), event.fact, event.after
        )
        document = fold(document, published)
    return document


@cache
def problems() -> dict[str, dict[str, Any]]:
    """Give an example of each problem that can be asked for, by its code.

    Where another command has other words for the same code, they are by code and stem.
    """
    found = {problem.code: _sent(problem) for problem in _of_the_loops()}
    for file in [*files_of("commands"), *files_of("queries")]:
        for refusal in file.refusals:
            if isinstance(refusal, Invalid):
                continue  # that is invalid-request, which is there
            sent = _sent(problem_of(refusal))
            if found.setdefault(refusal.code, sent) != sent:
                found[f"{refusal.code}.{file.stem}"] = sent
    return dict(sorted(found.items()))


def problem_named(code: str, stem: str) -> str | None:
    """Name the example of a problem as this function tells of it, if there is one."""
    return next((name for name in (f"{code}.{stem}", code) if name in problems()), None)


def _sent(problem: Problem) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(problem_response(problem, _CORRELATION_ID)["body"])
    return body


def _of_the_loops() -> Iterator[Problem]:
    post = sample("place_order")
    for change in (
        {"body": post["body"][:-1]},
        {"body": " " * 300_000},
        {"headers": post["headers"] | {"content-type": "text/plain"}},
    ):
        yield _raised(Request.of(post | change).json)
    yield _invalid()
    yield _raised(lambda: Wish.of({"consistency-token": "x"}))
    cursor = list_customer_orders.ListCustomerOrders(customer_id="SAMPLE-CUSTOMER", cursor="x")
    principal = Request.of(sample("list_customer_orders")).principal
    yield _raised(lambda: list_customer_orders.parameters(cursor, principal))
    behind = Freshness("order_details", _BEGIN, _BEGIN + timedelta(minutes=1), [{}])
    problem = behind.problem(Wish.of({"cache-control": "max-age=10"}))
    if problem is not None:
        yield problem
    # The write loop raises it when the database has answered, so that it cannot be asked here.
    yield Problem(
        *(412, "version-mismatch", "The order has version 4 now. Read it again and decide anew."),
        current_version=4,
    )


def _invalid() -> Problem:
    place_order = next(file for file in files_of("commands") if file.stem == "place_order")
    body: dict[str, Any] = json.loads(sample("place_order")["body"])
    body["lines"][0] |= {"quantity": 0, "colour": "red"}
    try:
        place_order.handler.command.model_validate(body)
    except ValidationError as error:
        return invalid_fields(findings(error))
    raise AssertionError("it is valid")


def _raised(call: Callable[[], object]) -> Problem:
    try:
        call()
    except Problem as problem:
        return problem
    raise AssertionError("there was no problem")
