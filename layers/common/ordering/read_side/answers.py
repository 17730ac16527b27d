"""The shape of what queries answer, as types: the OpenAPI document is generated from them.

A query's ``answer`` is annotated with ``Answer[<its TypedDict>]``. The parts of an order are
annotated with the domain's own types (``Line``, ``Payment``); documents show each of their fields,
with amounts as money.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

from pydantic import Field

BodyT = TypeVar("BodyT")

Uuid = Annotated[str, Field(json_schema_extra={"format": "uuid"})]
InstantText = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""A time in UTC (RFC 3339)."""
DayText = Annotated[str, Field(json_schema_extra={"format": "date"})]
Version = Annotated[int, Field(ge=1)]
Number = Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class Answer(Generic[BodyT]):
    """The JSON of an answer, as it is sent; ``version`` makes the ETag of a single resource.

    ``BodyT`` is the type of the JSON document. It is read by the OpenAPI generator only.
    """

    body: str
    version: int = 0
