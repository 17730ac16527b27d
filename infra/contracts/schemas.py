"""JSON Schemas of pydantic models, as a document shows them."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


def plain(schema: Any, *, tolerant: bool, nulls: bool = False) -> Any:  # noqa: ANN401 - any part of a schema
    """Leave out what says nothing: generated titles and, unless there are ``nulls``, null.

    Readers are told to tolerate unknown fields (``tolerant``), senders that they are refused.
    """
    if isinstance(schema, list):
        return [plain(part, tolerant=tolerant, nulls=nulls) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "anyOf" in schema and not nulls:
        kinds = [kind for kind in schema["anyOf"] if kind != {"type": "null"}]
        if len(kinds) == 1:
            rest = {name: value for name, value in schema.items() if name != "anyOf"}
            return plain({**kinds[0], **rest}, tolerant=tolerant, nulls=nulls)
    kept: Schema = {}
    for name, value in schema.items():
        if name == "title" or (name == "default" and value is None):
            continue
        if name == "additionalProperties" and tolerant:
            continue
        if name in {"properties", "$defs"}:
            kept[name] = {
                key: plain(part, tolerant=tolerant, nulls=nulls) for key, part in value.items()
            }
        elif name == "description":
            kept[name] = " ".join(value.replace("``", "`").split())
        else:
            kept[name] = plain(value, tolerant=tolerant, nulls=nulls)
    return kept
