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

from infra.contracts.declarations import declared, sample, sample_follows
from infra.contracts.functions import HttpFile, MissingDeclarationError, files_of
from ordering.command_side.problems import problem_of
from ordering.delivery.published import PublishedEvent
from ordering.domain.errors import Invalid, Refusal
from ordering.domain.evolution import record
from ordering.read_side.cursor import bad_cursor
from ordering.read_side.freshness import ConsistencyRequest, Freshness
from ordering.runtime.findings import findings
from ordering.runtime.http import Problem, Request, invalid_fields, problem_response
from ordering.runtime.problem_types import VERSION_MISMATCH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ordering.domain.order import Order
    from ordering.domain.recorded import Recorded

ORDER_ID: Final = "00000000-0000-7000-8000-000000000001"
BEGIN: Final = datetime(2026, 11, 22, 12, tzinfo=UTC)
_CORRELATION_ID: Final = "c0ffee"


class _Life(NamedTuple):
    """An order, and what was recorded of it, with when."""

    order: Order
    log: tuple[tuple[datetime, Recorded], ...]


@cache
def _after(*stems: str) -> _Life:
    """Send the samples of these commands, an hour apart."""
    *before, stem = stems
    order, log = _after(*before) if before else (None, ())
    command = next(file for file in files_of("commands") if file.stem == stem)
    asked = command.handler.command.model_validate(sample(stem))
    at = BEGIN + timedelta(hours=len(before))
    facts = command.module.decide(order, asked, at)
    if isinstance(facts, Refusal):
        raise MissingDeclarationError(
            f"tests/domain/test_{stem}.py: declare `SAMPLE_FOLLOWS`, the command whose sample comes"
            f" before; after {', '.join(before) or 'nothing'} this one is refused: {facts.code}"
        )
    events, order = record(order, facts)
    return _Life(order, (*log, *((at, event) for event in events)))


def events_of(*stems: str) -> tuple[tuple[datetime, Recorded], ...]:
    """Return what is recorded when the samples of these commands are sent, with when."""
    return _after(*stems).log


def receipt(stem: str) -> dict[str, Any]:
    """Return what a command answers to its sample."""
    order, log = _after(*sample_follows(stem), stem)
    return {
        "order_id": ORDER_ID,
        "version": len(log),
        "status": order.status,
        "events": [type(event.fact).__name__ for at, event in log if at == log[-1][0]],
    }


def answer(file: HttpFile) -> Any:  # noqa: ANN401 - a JSON document
    """Return what a query answers to its sample, of the order that the samples lead on."""
    rows = declared(file.stem, "example_rows")
    question = file.handler.question.model_validate(sample(file.stem))
    return json.loads(file.module.answer(question, rows(_documents())).body)


@cache
def _documents() -> Mapping[str, dict[str, Any]]:
    """Return the document of the samples' order in each read model, after the longest life."""
    lives = [(*sample_follows(file.stem), file.stem) for file in files_of("commands")]
    _, log = _after(*max(lives, key=len), "add_note")
    documents: dict[str, dict[str, Any]] = {}
    for projector in files_of("projectors"):
        document: dict[str, Any] | None = None
        for version, (at, event) in enumerate(log, start=1):
            published = PublishedEvent(
                *(ORDER_ID, version, at, "operator", _CORRELATION_ID, ""), event.fact, event.after
            )
            document = projector.module.fold(document, published)
        documents[projector.stem] = document or {}
    return documents


@cache
def problems() -> dict[str, dict[str, Any]]:
    """Return an example of each problem that a request can provoke, by its code.

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
    """Name the example of a problem in this function's words, if there is one."""
    return next((name for name in (f"{code}.{stem}", code) if name in problems()), None)


def _sent(problem: Problem) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(problem_response(problem, _CORRELATION_ID)["body"])
    return body


def _of_the_loops() -> Iterator[Problem]:
    post = {
        "headers": {"content-type": "application/json"},
        "requestContext": {"requestId": _CORRELATION_ID},
        "body": json.dumps(sample("place_order")),
    }
    for change in (
        {"body": "{"},
        {"body": " " * 300_000},
        {"headers": {"content-type": "text/plain"}},
    ):
        yield _raised(Request.of(post | change).json)
    yield _invalid()
    yield _raised(lambda: ConsistencyRequest.of({"consistency-token": "x"}, 0))
    yield bad_cursor()
    behind = Freshness("order_details", BEGIN, BEGIN + timedelta(minutes=1), [{}])
    problem = behind.problem(ConsistencyRequest.of({"cache-control": "max-age=10"}, 0))
    if problem is not None:
        yield problem
    # The write loop raises it when the database has answered, so that it cannot be asked here.
    yield Problem(
        VERSION_MISMATCH,
        "The order has version 4 now. Read it again and decide anew.",
        current_version=4,
    )


def _invalid() -> Problem:
    place_order = next(file for file in files_of("commands") if file.stem == "place_order")
    body = sample("place_order")
    body = body | {"lines": [body["lines"][0] | {"quantity": 0, "colour": "red"}]}
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
