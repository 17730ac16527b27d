"""JSON Schemas of pydantic models, as a document shows them."""

from __future__ import annotations

import json
from typing import Any, Final

Schema = dict[str, Any]
REFERENCE: Final = "#/components/schemas/"


def plain(schema: Any, *, tolerant: bool, nulls: bool = False) -> Any:  # noqa: ANN401 - any part of a schema
    """Leave out what says nothing: generated titles and, unless there are ``nulls``, null.

    The schemas allow unknown fields for readers (``tolerant``) and refuse them for senders.
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


def name_enums(schema: Schema, schemas: dict[str, Schema], owner: str) -> None:
    """Replace the enums among an object's properties by references to components.

    Generators name a model after its component: one enum under one name wherever it is used.
    An enum that is new becomes the component ``<owner><Property>``.
    """
    for name, value in schema.get("properties", {}).items():
        schema["properties"][name] = name_enum(value, schemas, owner + camel(name))


def name_enum(schema: Schema, schemas: dict[str, Schema], name: str) -> Schema:
    """Return the schema with a reference to a component in the place of its enum, if it has one."""
    if "anyOf" in schema:
        return {**schema, "anyOf": [name_enum(kind, schemas, name) for kind in schema["anyOf"]]}
    if "items" in schema:
        return {**schema, "items": name_enum(schema["items"], schemas, name)}
    if "enum" not in schema:
        return schema
    known = (n for n, other in schemas.items() if other.get("enum") == schema["enum"])
    found = next(known, name)
    schemas.setdefault(found, {n: value for n, value in schema.items() if n != "default"})
    return {"$ref": REFERENCE + found}


def without_defaults(schema: Any, *, mention: bool) -> Any:  # noqa: ANN401 - any part of a schema
    """Leave out ``default``: TypeScript generators take a field that has one for required.

    ``mention``: the description says it instead.
    """
    if isinstance(schema, list):
        return [without_defaults(part, mention=mention) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        name: without_defaults(value, mention=mention)
        for name, value in schema.items()
        if name != "default" or isinstance(value, dict)  # a property may have that name
    }
    default = schema.get("default")
    if mention and "default" in schema and not isinstance(default, dict):
        before = f"{kept['description']}; " if "description" in kept else ""
        kept["description"] = f"{before}`{json.dumps(default)}` if it is not sent"
    return kept


def camel(name: str) -> str:
    """Return ``percent_off`` as ``PercentOff``."""
    return "".join(part.capitalize() for part in name.rstrip("_").split("_"))
