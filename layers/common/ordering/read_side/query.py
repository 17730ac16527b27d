"""The query loop, once for all questions: ask, wait for freshness if asked to, answer.

One round trip gives the answer and how fresh it is, from one snapshot.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from pydantic import ValidationError

from ordering.errors import NotFound
from ordering.function import HttpFunction
from ordering.http import (
    Problem,
    Request,
    Response,
    invalid_request,
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

_FIRST_PAUSE: Final = 0.002
_LONGEST_PAUSE: Final = 0.01

# Named once here, asked of each read model that the question reads.
_APPLIED: Final = """
  (select coalesce(json_object_agg(order_id, version), '{{}}') from {read_model}
   where order_id = any(%(wished_orders)s::uuid[]))"""
_ASK: Final = """
select statement_timestamp(),
  (select case when count(*) = %(read_models_count)s and bool_and(complete) then min(as_of) end
   from (
     select count(*) = max(partitions) as complete, min(as_of) as as_of
     from watermarks where projection = any(%(read_models)s) group by projection
   ) as of_projection),
  json_build_array({applied}),
  answer.*
from (values (1)) as always (one) left join lateral ({question}) as answer on true
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
    never null; ``parameters`` gives its parameters; ``answer`` makes the answer of its rows.
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
        self._question = question
        self._read_models = list(read_models)
        self._name = name or read_models[0]
        applied = ",".join(_APPLIED.format(read_model=model) for model in read_models)
        self._sql = _ASK.format(applied=applied, question=sql)
        self._parameters = parameters
        self._answer = answer
        super().__init__()

    def _respond(self, request: Request) -> Response:
        wish = Wish.of(request.headers)
        try:
            question = self._question.model_validate({**request.query, **request.path_parameters})
        except ValidationError as error:
            raise invalid_request(error) from error
        parameters = self._parameters(question, request.principal)
        if isinstance(parameters, NotFound):
            raise Problem(404, parameters.code, parameters.detail)
        freshness, rows = self._ask_until(wish, parameters)
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
            if etag in (tag.strip().removeprefix("W/") for tag in known.split(",")):
                return {"statusCode": 304, "headers": headers}
        return json_response(200, answer.body, headers)

    def _ask_until(
        self, wish: Wish, parameters: Mapping[str, object]
    ) -> tuple[Freshness, list[Row]]:
        """Ask until the answer is as fresh as wished, or the wait is over."""
        until = time.monotonic() + (wish.wait or 0)
        pause = _FIRST_PAUSE
        while True:
            freshness, rows = self._ask(wish, parameters)
            left = until - time.monotonic()
            if freshness.reaches(wish) or left <= 0:
                return freshness, rows
            time.sleep(min(pause, left))
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    def _ask(self, wish: Wish, parameters: Mapping[str, object]) -> tuple[Freshness, list[Row]]:
        found = self._database.rows(
            self._sql,
            {
                **parameters,
                "read_models": self._read_models,
                "read_models_count": len(self._read_models),
                "wished_orders": list(wish.versions),
            },
        )
        read_at, as_of, applied = found[0][:_FRESHNESS_COLUMNS]
        rows = [row[_FRESHNESS_COLUMNS:] for row in found]
        return (
            Freshness(read_model=self._name, as_of=as_of, read_at=read_at, applied=applied),
            [row for row in rows if row[0] is not None],
        )
