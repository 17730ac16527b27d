"""The questions of the HTTP contract, asked of the unified model, with the same answers.

Fields, their checks, cursors and the JSON around the rows are those of the queries' own files; what
differs is the SQL. Each question is one statement, as there. There is no
``get_read_models``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic import ValidationError

from ordering.domain.errors import NotFound
from ordering.runtime.findings import findings
from ordering.runtime.function import HttpFunction
from ordering.runtime.http import Problem, invalid_fields, json_response
from ordering.runtime.problem_types import ProblemType
from ordering.runtime.settings import ReadSide
from queries import (
    get_customer_summary,
    get_order,
    get_order_history,
    get_sales_by_day,
    get_top_products,
    get_work_queue,
    list_customer_orders,
    list_customers,
    search_orders,
)

from .customer_questions import CUSTOMER, CUSTOMER_ORDERS, customers
from .order_questions import HISTORY, ORDER
from .sales_questions import products, sales
from .search_questions import WORK_QUEUE, searched

if TYPE_CHECKING:
    from collections.abc import Callable

    from ordering.read_side.answers import Answer
    from ordering.read_side.query import QueryFunction
    from ordering.runtime.http import Request, Response


class _Asked(NamedTuple):
    """A question: the file it shares with the read side, and its SQL here."""

    module: Any
    sql: Callable[[Any], str]
    parameters: Callable[[Any, Any], Any] | None = None
    """None: those that it has on the read side."""


def _always(sql: str) -> Callable[[Any], str]:
    return lambda _: sql


ZONE: Final = "UTC"
"""The business' time zone in benchmarks: the one that functions have by default."""
QUESTIONS: Final = {
    "get_order": _Asked(get_order, _always(ORDER)),
    "get_order_history": _Asked(get_order_history, _always(HISTORY)),
    "list_customer_orders": _Asked(list_customer_orders, _always(CUSTOMER_ORDERS)),
    "get_customer_summary": _Asked(get_customer_summary, _always(CUSTOMER)),
    "list_customers": _Asked(list_customers, customers),
    "search_orders": _Asked(search_orders, searched),
    "get_work_queue": _Asked(get_work_queue, _always(WORK_QUEUE)),
    "get_sales_by_day": _Asked(get_sales_by_day, _always(sales(ZONE))),
    "get_top_products": _Asked(
        get_top_products,
        lambda question: products(question.order_by, ZONE),
        lambda question, _: {
            "from": question.from_,
            "to": question.to,
            "currency": question.currency,
            "limit": question.limit,
        },
    ),
}


class UnifiedQuery(HttpFunction):
    """The handler of one question: what ``QueryFunction`` is, without what freshness needs."""

    side = ReadSide
    kind = "Query"

    def __init__(self, asked: _Asked) -> None:
        self._module = asked.module
        self._sql_of = asked.sql
        self._parameters = asked.parameters or asked.module.parameters
        shared: QueryFunction[Any] = asked.module.handler
        self._question = shared.question
        self._is_single_resource = shared.is_single_resource
        super().__init__()

    def _respond(self, request: Request) -> tuple[Response, str]:
        try:
            question = self._question.model_validate({**request.query, **request.path_parameters})
        except ValidationError as error:
            raise invalid_fields(findings(error)) from error
        parameters = self._parameters(question, request.principal)
        if isinstance(parameters, NotFound):
            raise _problem(parameters)
        caller = {"caller": request.principal.confined_to}
        rows = self._database.rows(self._sql_of(question), {**parameters, **caller})
        answer: Answer[Any] | NotFound = self._module.answer(question, rows)
        if isinstance(answer, NotFound):
            raise _problem(answer)
        headers = {
            "cache-control": "private, no-cache",
            "x-correlation-id": request.correlation_id,
        }
        if self._is_single_resource:
            headers["etag"] = f'"{answer.version}"'
        response = json_response(200, answer.body, headers)
        return response, self._request_line(request, response["statusCode"], "answered")


def _problem(refusal: NotFound) -> Problem:
    return Problem(ProblemType(404, refusal.code), refusal.detail)
