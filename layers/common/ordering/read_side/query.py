"""The query loop, once for all questions: ask, wait for freshness if asked to, answer.

One round trip gives the answer and how fresh it is, from one snapshot.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from pydantic import ValidationError

from ordering.errors import NotFound
from ordering.findings import findings
from ordering.function import HttpFunction
from ordering.http import (
    Problem,
    Request,
    Response,
    invalid_fields,
    json_response,
)
from ordering.settings import ReadSide
from ordering.values import Value

from .freshness import Freshness, Wish

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ordering.http import Principal
    from ordering.postgres import Row

QuestionT = TypeVar("QuestionT", bound=Value)

READ_MODELS: Final = ("order_details", "customer_orders")
"""Every read model; each is a table of its name with one row and one version per order."""

# A projection that works is done within milliseconds.
_PAUSE: Final = 0.002
_LONGEST_PAUSE: Final = 0.01

# Asked of each read model that the question reads. Others' orders are as unseen as those that do
# not exist: a token must not tell of them.
_APPLIED: Final = """
  (select coalesce(json_object_agg(order_id, version), '{{}}') from {read_model}
   where order_id = any(%(wished_orders)s::uuid[])
     and (%(caller)s is null or customer_id = %(caller)s))"""
_FRESHNESS: Final = """
select statement_timestamp(),
  (select case when count(*) = %(read_models_count)s and bool_and(complete) then min(as_of) end
   from (
     select count(*) = max(partitions) as complete, min(as_of) as as_of
     from watermarks where projection = any(%(read_models)s) group by projection
   ) as of_projection),
  json_build_array({applied})
"""
_ASK: Final = """
select freshness.*, answer.*
from ({freshness}) as freshness (read_at, as_of, applied)
left join lateral ({question}) as answer on true
"""
_FRESHNESS_COLUMNS: Final = 3


@dataclass(frozen=True)
class Answer:
    """JSON as it is sent; ``version`` makes the ETag of a single resource."""

    body: str
    version: int | None = None


class QueryFunction(HttpFunction, Generic[QuestionT]):
    """The Lambda handler of one question.

    ``question`` gives the fields, from path and query; ``sql`` selects rows whose first column is
    never null; ``parameters`` gives its parameters (``%(caller)s``, the one customer whose orders
    are seen or null for everybody's, is there already); ``answer`` makes the answer of its rows.
    """

    side = ReadSide
    kind = "Query"

    def __init__(
        self,
        question: type[QuestionT],
        *,
        read_models: Sequence[str],
        sql: str,
        parameters: Callable[[QuestionT, Principal], Mapping[str, object] | NotFound],
        answer: Callable[[QuestionT, Sequence[Row]], Answer | NotFound],
        name: str = "",
    ) -> None:
        self.question = question
        self.read_models = list(read_models)
        self._name = name or read_models[0]
        applied = ",".join(_APPLIED.format(read_model=model) for model in read_models)
        self._freshness = _FRESHNESS.format(applied=applied)
        self._sql = _ASK.format(freshness=self._freshness, question=sql)
        self._parameters = parameters
        self._answer = answer
        super().__init__()

    def _respond(self, request: Request) -> tuple[Response, str]:
        response = self._answered(request)
        return response, self._line(request, response["statusCode"], "answered")

    def _answered(self, request: Request) -> Response:
        wish = Wish.of(request.headers)
        try:
            question = self.question.model_validate({**request.query, **request.path_parameters})
        except ValidationError as error:
            raise invalid_fields(findings(error)) from error
        parameters = self._parameters(question, request.principal)
        if isinstance(parameters, NotFound):
            raise Problem(404, parameters.code, parameters.detail)
        freshness, rows = self._ask_until(wish, {**parameters, **self._common(wish, request)})
        headers = {
            **freshness.headers(wish),
            "cache-control": "private, no-cache",
            "x-correlation-id": request.correlation_id,
        }
        if (behind := freshness.problem(wish)) is not None:
            raise behind
        answer = self._answer(question, rows)
        if isinstance(answer, NotFound):
            raise Problem(404, answer.code, answer.detail, headers=headers)
        if answer.version is not None:
            headers["etag"] = etag = f'"{answer.version}"'
            known = request.headers.get("if-none-match", "")
            if {etag, "*"} & {tag.strip().removeprefix("W/") for tag in known.split(",")}:
                return {"statusCode": 304, "headers": headers}
        return json_response(200, answer.body, headers)

    def _common(self, wish: Wish, request: Request) -> dict[str, object]:
        return {
            "caller": request.principal.confined_to,
            "read_models": self.read_models,
            "read_models_count": len(self.read_models),
            "wished_orders": list(wish.versions),
        }

    def _ask_until(
        self, wish: Wish, parameters: Mapping[str, object]
    ) -> tuple[Freshness, list[Row]]:
        """Ask; if that is not as fresh as wished, wait for it, as long as wished, and ask again."""
        freshness, rows = self._ask(parameters)
        started = time.monotonic()
        while not freshness.reaches(wish) and (waited := time.monotonic() - started) < (
            wish.wait or 0
        ):
            time.sleep(min(_pause_after(waited), (wish.wait or 0) - waited))
            freshness = self._fresh(self._database.rows(self._freshness, parameters)[0])
            if freshness.reaches(wish):
                return self._ask(parameters)
        return freshness, rows

    def _ask(self, parameters: Mapping[str, object]) -> tuple[Freshness, list[Row]]:
        found = self._database.rows(self._sql, parameters)
        rows = [row[_FRESHNESS_COLUMNS:] for row in found]
        return self._fresh(found[0]), [row for row in rows if row[0] is not None]

    def _fresh(self, row: Row) -> Freshness:
        read_at, as_of, applied = row[:_FRESHNESS_COLUMNS]
        return Freshness(read_model=self._name, as_of=as_of, read_at=read_at, applied=applied)


def _pause_after(waited: float) -> float:
    """Give the seconds until the next look: from 2 ms at first to 10 ms."""
    return min(_PAUSE + waited / 2, _LONGEST_PAUSE)
