"""What may change in an event's schema once it is released: nothing, but that fields are added.

Readers out there were written against the released schema of a version, and stored events were
written by it: so within a version an event only gains optional fields. Anything else is a new
version, with an upcaster.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from infra.contracts.schemas import Schema

_SAYS_NOTHING: Final = {"$schema", "$defs", "title", "description", "examples", "default"}
"""Keywords that a valid document need not fit."""


def incompatibilities(released: Path, current: Path) -> Iterator[str]:
    """Name what is not compatible between two folders of schemas, one file per event version."""
    for file in sorted(released.glob("*.json")):
        newer = current / file.name
        if not newer.exists():
            yield f"{file.stem} is released and has disappeared"
            continue
        for change in changes(json.loads(file.read_text()), json.loads(newer.read_text())):
            yield f"{file.stem}: {change}"


def changes(released: Schema, current: Schema) -> Iterator[str]:
    """Name the incompatible changes of one event's schema, each with the path to it."""
    yield from _compare(released, current, "", _Documents(released, current))


class _Documents:
    """Both documents, whose definitions references point into; each pair is compared once."""

    def __init__(self, released: Schema, current: Schema) -> None:
        self._documents = (released, current)
        self._seen: set[tuple[str, str]] = set()

    def is_new(self, old: Schema, new: Schema) -> bool:
        """Tell whether this pair of references has not been followed yet."""
        pair = (old.get("$ref", ""), new.get("$ref", ""))
        if pair == ("", "") or pair not in self._seen:
            self._seen.add(pair)
            return True
        return False

    def followed(self, old: Schema, new: Schema) -> tuple[Schema, Schema]:
        """Put what references point to in their places; what is beside them stays."""
        first, second = (
            _follow(schema, document)
            for schema, document in zip((old, new), self._documents, strict=True)
        )
        return first, second


def _follow(schema: Schema, document: Schema) -> Schema:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found: Any = document
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    return {**found, **{name: value for name, value in schema.items() if name != "$ref"}}


def _compare(old: Schema, new: Schema, path: str, documents: _Documents) -> Iterator[str]:
    if not documents.is_new(old, new):
        return
    old, new = documents.followed(old, new)
    yield from _fields(old, new, path, documents)
    for keyword in sorted((old.keys() | new.keys()) - _SAYS_NOTHING):
        if keyword in {"properties", "required"}:
            continue
        before, after = old.get(keyword), new.get(keyword)
        if keyword == "items" and isinstance(before, dict) and isinstance(after, dict):
            yield from _compare(before, after, f"{path}/*", documents)
        elif before != after and not _is_annotation(keyword):
            yield f"{path or '/'}: {keyword} was {_show(before)} and is {_show(after)}"


def _fields(old: Schema, new: Schema, path: str, documents: _Documents) -> Iterator[str]:
    before: Mapping[str, Schema] = old.get("properties", {})
    after: Mapping[str, Schema] = new.get("properties", {})
    for name in before:
        if name not in after:
            yield f"{path}/{name}: the field is gone"
        else:
            yield from _compare(before[name], after[name], f"{path}/{name}", documents)
    required, now_required = set(old.get("required", [])), set(new.get("required", []))
    for name in sorted(now_required - required):
        yield f"{path}/{name}: the field is required now, and events without it are stored"
    for name in sorted((required - now_required) & after.keys()):
        yield f"{path}/{name}: the field is not required any more, and readers rely on it"


def _is_annotation(keyword: str) -> bool:
    return keyword.startswith("x-")


def _show(value: object) -> str:
    return "not there" if value is None else json.dumps(value)
