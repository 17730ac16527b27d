"""The query loop, once for all questions: ask, wait for freshness if asked to, answer.

One round trip gives the answer and how fresh it is, from one snapshot: rows of one statement are
never answered with the freshness of another.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar

from pydantic import ValidationError

from ordering.domain.errors import NotFound
from ordering.domain.values import Value
from ordering.runtime.findings import findings
from ordering.runtime.function import HttpFunction
from ordering.runtime.http import (
    Problem,
    Request,
    Response,
    invalid_fields,
    json_response,
)
from ordering.runtime.observability import Measure, log_event
from ordering.runtime.problem_types import ProblemType
from ordering.runtime.settings import ReadSide, Waiting, function_stem, read_settings

from .answers import Answer
from .freshness import ConsistencyRequest, Freshness
from .waiting import Wait, WaitingPlaces

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ordering.runtime.http import Principal
    from ordering.runtime.postgres import Row

    _Asked: TypeAlias = tuple["Freshness", list[Row]]

QuestionT = TypeVar("QuestionT", bound=Value)

READ_MODELS: Final = (
    "order_details",
    "customer_orders",
    "order_history",
    "customer_summary",
    "sales",
    "order_search",
    "work_queue",
    "products",
)
"""Every read model; each is a view of its name with one row and one version per order."""

PLANS: Final = "set enable_seqscan = off; set enable_sort = off; set jit = off"
"""Each connection of a query starts with it: every question has an index, and every list one in its
order. Where PostgreSQL would do without, it has guessed wrong how many rows a filter leaves, and
the answer would cost more the more orders there are. What has to be sorted all the same seems so
dear then that it would be compiled, which takes longer than to run it."""

# Selected from each read model that the question reads. A token must not reveal other customers'
# orders: treat them as unknown.
_APPLIED: Final = """
  (select coalesce(json_object_agg(order_id, version), '{{}}') from {read_model}
   where order_id = any(%(token_orders)s::uuid[])
     and (%(caller)s is null or customer_id = %(caller)s))"""
_PARKED: Final = """
  (select p.order_id
   from freshness_parked as p join freshness_generations as g using (read_model, generation)
   where p.order_id = any(%(token_orders)s::uuid[]) and p.read_model = '{read_model}'
     and g.state = 'live' and (
       %(caller)s is null or p.customer_id = %(caller)s or exists (
         select from {read_model} as r
         where r.order_id = p.order_id and r.customer_id = %(caller)s
       )
     ))"""
# Most callers name no order: what is asked of those alone would be planned in vain.
_FRESHNESS: Final = """
select json_build_array(f.read_at, f.as_of, f.parked, f.is_served, {of_orders})::text as freshness
from freshness_of(%(read_models)s) as f
"""
_OF_ORDERS: Final = "json_build_array({applied}), to_json(array({parked}))"
_OF_NO_ORDERS: Final = "'[{applied}]'::json, '[]'::json"
# Once: to read times of thousands of rows takes longer than to find them.
_ASK: Final = """
select case when row_number() over () = 1 then freshness end, answer.*
from ({freshness}) as freshness left join lateral ({question}) as answer on true
"""


class QueryFunction(HttpFunction, Generic[QuestionT]):
    """The Lambda handler of one question.

    ``question`` gives the fields, from path and query; ``sql``, or what it returns for the
    question, selects rows whose first column is never null; ``parameters`` gives its parameters
    (``%(caller)s``, the one customer whose orders are seen or null for everybody's, is there
    already); ``answer`` makes the answer of its rows.
    ``waits_for_filling`` False: it is answered too while a read model is filled for the first time.
    """

    side = ReadSide
    kind = "Query"
    on_connect = PLANS

    def __init__(
        self,
        question: type[QuestionT],
        *,
        read_models: Sequence[str],
        sql: str | Callable[[QuestionT], str],
        parameters: Callable[[QuestionT, Principal], Mapping[str, object] | NotFound],
        answer: Callable[[QuestionT, Sequence[Row]], Answer[Any] | NotFound],
        name: str = "",
        is_single_resource: bool = False,
        waits_for_filling: bool = True,
    ) -> None:
        self.question = question
        self.is_single_resource = is_single_resource
        self._waits_for_filling = waits_for_filling
        self.read_models = list(read_models)
        self._name = name or read_models[0]
        applied = ",".join(_APPLIED.format(read_model=model) for model in read_models)
        parked = "union".join(_PARKED.format(read_model=model) for model in read_models)
        of_orders = _OF_ORDERS.format(applied=applied, parked=parked)
        self._freshness_of_orders = _FRESHNESS.format(of_orders=of_orders)
        of_none = _OF_NO_ORDERS.format(applied=",".join(["{}"] * len(read_models)))
        self._freshness = _FRESHNESS.format(of_orders=of_none)
        self._sql_of = sql if callable(sql) else lambda _: sql
        self._parameters = parameters
        self._answer = answer
        waiting = read_settings(Waiting)
        self._longest_wait = int(waiting.longest_wait_seconds)
        self._waiting_callers = int(waiting.waiting_callers)
        super().__init__()

    def _respond(self, request: Request) -> tuple[Response, str]:
        response = self._response_to(request)
        return response, self._request_line(request, response["statusCode"], "answered")

    def _response_to(self, request: Request) -> Response:
        requested = ConsistencyRequest.of(request.headers, self._longest_wait)
        try:
            question = self.question.model_validate({**request.query, **request.path_parameters})
        except ValidationError as error:
            raise invalid_fields(findings(error)) from error
        common = self._common(requested, request)
        parameters = self._parameters(question, request.principal)
        if isinstance(parameters, NotFound):
            freshness = self._look(common)
            raise _not_found(parameters, _headers(freshness, requested, request))
        known = _known_tags(request) if self.is_single_resource else frozenset()

        def awaited(rows: list[Row]) -> Mapping[str, int]:
            answer = self._answer(question, rows) if known else None
            if not isinstance(answer, Answer) or _tag(answer.version) not in known:
                return {}
            return {str(parameters["order_id"]): answer.version + 1}

        ask = partial(self._ask, self._sql_of(question))
        freshness, rows, requested = self._ask_until(
            requested, ask, {**parameters, **common}, awaited
        )
        headers = _headers(freshness, requested, request)
        if (behind := freshness.problem(requested)) is not None:
            raise behind
        answer = self._answer(question, rows)
        if isinstance(answer, NotFound):
            raise _not_found(answer, headers)
        if self.is_single_resource:
            headers["etag"] = _tag(answer.version)
            if {_tag(answer.version), "*"} & known:
                return {"statusCode": 304, "headers": headers}
        return json_response(200, answer.body, headers)

    def _common(self, requested: ConsistencyRequest, request: Request) -> dict[str, object]:
        return {
            "caller": request.principal.confined_to,
            "read_models": self.read_models,
            "token_orders": list(requested.versions),
        }

    def _ask_until(
        self,
        requested: ConsistencyRequest,
        ask: Callable[..., _Asked],
        parameters: Mapping[str, object],
        awaited: Callable[[list[Row]], Mapping[str, int]],
    ) -> tuple[Freshness, list[Row], ConsistencyRequest]:
        """Ask; if the answer is not what the caller waits for, wait for that, as long as wished.

        A caller waits for an answer as fresh as requested and for the versions of orders that
        ``awaited`` makes of the first answer's rows. Polls read the freshness only. What is
        returned is always one whole answer with the freshness that it was read with, also when the
        wait is over, and the request, without its wait if there was no place to wait.

        Raises:
            DatabaseUnavailableError: the database does not answer, nor in the time of the wait.
        """
        wait = Wait(requested.wait or 0)

        def ask_first() -> _Asked:
            waited = timedelta(seconds=wait.waited)  # more than nothing after an outage
            freshness, rows = ask(parameters)
            return replace(freshness, asked_at=freshness.read_at - waited), rows

        freshness, rows = wait.despite_outages(ask_first)
        asked_at = freshness.asked_at
        versions = dict(requested.versions)
        for order_id, version in awaited(rows).items():
            versions[order_id] = max(version, versions.get(order_id, 0))
        goal = replace(requested, versions=versions)
        if not freshness.is_worth_waiting(goal) or wait.left <= 0:
            return freshness, rows, requested
        parameters = {**parameters, "token_orders": list(goal.versions)}
        places = WaitingPlaces(self._database, function_stem(), self._waiting_callers)
        if not wait.despite_outages(places.take):
            log_event("no place to wait", Measure("WaitsRefused"), level="WARNING")
            return freshness, rows, replace(requested, wait=None)
        try:
            while freshness.is_worth_waiting(goal) and wait.left > 0:
                wait.until(lambda: not self._look(parameters, asked_at).is_worth_waiting(goal))
                freshness, rows = wait.despite_outages(lambda: ask(parameters, asked_at))
        finally:
            places.leave()
        return freshness, rows, requested

    def _ask(
        self, sql: str, parameters: Mapping[str, object], asked_at: datetime | None = None
    ) -> _Asked:
        """Read the answer's rows and how fresh they are, in one statement."""
        statement = _ASK.format(freshness=self._freshness_for(parameters), question=sql)
        found = self._database.rows(statement, parameters)
        rows = [row[1:] for row in found if row[1] is not None]
        return self._fresh(found[0][0], asked_at), rows

    def _look(
        self, parameters: Mapping[str, object], asked_at: datetime | None = None
    ) -> Freshness:
        """Read only how fresh an answer would be."""
        ((text,),) = self._database.rows(self._freshness_for(parameters), parameters)
        return self._fresh(text, asked_at)

    def _freshness_for(self, parameters: Mapping[str, object]) -> str:
        return self._freshness_of_orders if parameters["token_orders"] else self._freshness

    def _fresh(self, text: str, asked_at: datetime | None) -> Freshness:
        read_at, as_of, parked, is_served, applied, parked_orders = json.loads(text)
        return Freshness(
            read_model=self._name,
            as_of=as_of and datetime.fromisoformat(as_of),
            read_at=datetime.fromisoformat(read_at),
            applied=applied,
            parked=parked,
            parked_orders=parked_orders,
            is_served=is_served or not self._waits_for_filling,
            asked_at=asked_at,
        )


def _known_tags(request: Request) -> frozenset[str]:
    """Return the entity tags in If-None-Match, compared weakly (RFC 9110, 13.1.2)."""
    tags = request.headers.get("if-none-match", "").split(",")
    return frozenset(tag.strip().removeprefix("W/") for tag in tags) - {""}


def _tag(version: int) -> str:
    return f'"{version}"'


def _headers(
    freshness: Freshness, requested: ConsistencyRequest, request: Request
) -> dict[str, str]:
    return {
        **freshness.headers(requested),
        "cache-control": "private, no-cache",
        "x-correlation-id": request.correlation_id,
    }


def _not_found(refusal: NotFound, headers: Mapping[str, str]) -> Problem:
    return Problem(ProblemType(404, refusal.code), refusal.detail, headers=headers)
