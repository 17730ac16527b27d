"""The read models' documents, and the schemas that the OpenAPI document gives for them."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import jsonschema

from infra.contracts.functions import ROOT, answer_type, files_of
from ordering.read_side.shapes import ROWS, SHARE

if TYPE_CHECKING:
    from collections.abc import Callable

    from ordering.delivery.published import PublishedEvent
    from ordering.read_side.shapes import Document, Shape

FOLDS: Final[dict[str, Callable[[Document | None, PublishedEvent], Document]]] = {
    file.stem: file.module.fold for file in files_of("projectors")
}
"""How each read model's document changes, by the read model's name."""
SHAPES: Final[dict[str, Shape]] = {file.stem: file.handler.shape for file in files_of("projectors")}

ADDED_BY_QUERIES: Final[dict[str, Document]] = {"work_queue": {"age_seconds": 1.5}}
"""What a query adds to each row that it sends."""


@cache
def validator_of(read_model: str) -> jsonschema.Draft202012Validator:
    """Return the check of a read model's document: it fits its schema and has nothing besides.

    The schema is that of the answer of the query that reads this model alone, or of an item of it.
    """
    for file in files_of("queries"):
        if file.handler.read_models == [read_model]:
            components = _components()
            schema = components["schemas"][answer_type(file).__name__]
            if not file.handler.is_single_resource:
                schema = schema["properties"]["items"]["items"]
            return jsonschema.Draft202012Validator({**schema, "components": components})
    raise AssertionError(f"no query reads {read_model}: its document has no schema")


def parts_sent(read_model: str, document: Document | None) -> list[Document]:
    """Return what is sent of a document, or added up: itself, the item in it, rows or a share."""
    shape = SHAPES[read_model]
    document = document or {}
    if shape.several_rows is not None:
        return [row for row in document[ROWS].values() if row is not None]
    return document[SHARE] if shape.added_up is not None else [document.get("item", document)]


def check_document(read_model: str, document: Document | None) -> None:
    """Check that a document is what its query says that it answers, no more and no less.

    An order's share of sums has to have their keys and measures.

    Raises:
        AssertionError: it is not; the message is one sentence.
    """
    shape = SHAPES[read_model]
    if (sums := shape.added_up) is not None:
        for part in (document or {})[SHARE]:
            difference = sorted({*part} ^ {*sums.keys, *sums.measures})
            assert not difference, f"the share of {read_model} and its sums differ: {difference}"
        if shape.several_rows is None:
            return
    added = ADDED_BY_QUERIES.get(read_model, {})
    for part in parts_sent(read_model, document):
        for error in validator_of(read_model).iter_errors(part | added):
            where = "/".join(map(str, error.absolute_path)) or "its top level"
            raise AssertionError(
                f"the document of {read_model} is not what its query says that it answers: at"
                f" {where}, {error.message:.200}"
            )


@cache
def _components() -> dict[str, Any]:
    document = json.loads((ROOT / "docs" / "api" / "openapi.json").read_text())
    closed: dict[str, Any] = _closed(document["components"])
    return closed


def _closed(schema: Any) -> Any:  # noqa: ANN401 - any part of a schema
    """Return the schema with objects that have no properties but those it names."""
    if isinstance(schema, list):
        return [_closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(part) for name, part in schema.items()}
    if schema.get("type") == "object" and "properties" in schema:
        closed["additionalProperties"] = False
    return closed
