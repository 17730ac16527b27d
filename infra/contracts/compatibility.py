"""What may change in an event's schema once it is released: nothing, but that fields are added.

Readers out there were written against the released schema of a version, and stored events were
written by it: so within a version an event only gains optional fields. Anything else is a new
version, with an upcaster: a narrower limit does not let stored events in, and a wider one lets in
what readers have no room for.

What no schema shows is pinned beside them: the currencies, without which stored amounts cannot be
read.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from infra.contracts.schemas import Schema

CURRENCIES: Final = "currencies.json"
_SAYS_NOTHING: Final = {"$schema", "$defs", "$comment", "title", "description", "examples"}
"""Keywords that neither a valid document nor who reads it has to heed."""
_HEEDED_EXTENSIONS: Final = {"x-personal"}
"""Of our own keywords those that something relies on: they may be added, and stay what they are."""
_MAPS: Final = {"patternProperties", "dependentSchemas"}
"""Keywords of schemas by name, beside ``properties``."""


def incompatibilities(released: Path, current: Path) -> Iterator[str]:
    """Name what is not compatible between two folders of schemas, one file per event version."""
    for file in sorted(released.glob("*.v*.json")):
        newer = current / file.name
        if not newer.exists():
            yield f"{file.stem} is released and has disappeared"
            continue
        for change in changes(json.loads(file.read_text()), json.loads(newer.read_text())):
            yield f"{file.stem}: {change}"


def unreadable_currencies(released: Path, digits: Mapping[str, int]) -> Iterator[str]:
    """Name the released currencies that are gone, or have other digits than stored amounts have."""
    pinned: dict[str, int] = json.loads((released / CURRENCIES).read_text())
    for code, before in pinned.items():
        if digits.get(code) != before:
            yield f"{code} had {before} digits and {_now(digits.get(code))}"


def _now(digits: int | None) -> str:
    return "is gone" if digits is None else f"has {digits}"


def changes(released: Schema, current: Schema) -> Iterator[str]:
    """Name the incompatible changes of one event's schema, each with the path to it."""
    yield from _Comparison(released, current).of(released, current, "")


class _Comparison:
    """Of two documents, whose definitions references point into; equal pairs are compared once."""

    def __init__(self, released: Schema, current: Schema) -> None:
        self._released, self._current = released, current
        self._seen: set[tuple[str, str]] = set()

    def of(self, old: object, new: object, path: str, keyword: str = "") -> Iterator[str]:
        """Compare two schemas, or lists of them, or whatever else a keyword has."""
        if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
            for number, (before, after) in enumerate(zip(old, new, strict=True)):
                yield from self.of(before, after, f"{path}/{keyword}/{number}")
        elif isinstance(old, dict) and isinstance(new, dict):
            yield from self._schemas(old, new, f"{path}/{keyword}" if keyword else path)
        elif old != new:
            yield f"{path or '/'}: {keyword} was {_show(old)} and is {_show(new)}"

    def _schemas(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        # By what is in the place of the references: one that is known may have gained a limit.
        old, new = _followed(old, self._released), _followed(new, self._current)
        pair = (json.dumps(old, sort_keys=True), json.dumps(new, sort_keys=True))
        if pair in self._seen:
            return
        self._seen.add(pair)
        yield from self._fields(old, new, path)
        for keyword in sorted((old.keys() | new.keys()) - _SAYS_NOTHING):
            before, after = old.get(keyword), new.get(keyword)
            if keyword in {"properties", "required"} or _may_change(keyword, before):
                continue
            if keyword in _MAPS and before and after and before.keys() == after.keys():
                for name in before:
                    yield from self.of(before[name], after[name], f"{path}/{keyword}/{name}")
            elif keyword == "items" and isinstance(before, dict) and isinstance(after, dict):
                yield from self.of(before, after, f"{path}/*")
            elif keyword in _OF_SCHEMAS:
                yield from self.of(before, after, path, keyword)
            elif before != after and not _is_same_set(keyword, before, after):
                yield f"{path or '/'}: {keyword} was {_show(before)} and is {_show(after)}"

    def _fields(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        before: Mapping[str, Schema] = old.get("properties", {})
        after: Mapping[str, Schema] = new.get("properties", {})
        for name in before:
            if name not in after:
                yield f"{path}/{name}: the field is gone"
            else:
                yield from self.of(before[name], after[name], f"{path}/{name}")
        # A map's names are data: a field among them is one whose values had other bounds.
        others = old.get("additionalProperties", True)
        for name in sorted(after.keys() - before.keys()) if others is not True else ():
            yield from self.of(others, after[name], f"{path}/{name}", "schema")
        required, now_required = set(old.get("required", [])), set(new.get("required", []))
        for name in sorted(now_required - required):
            yield f"{path}/{name}: the field is required now, and events without it are stored"
        for name in sorted((required - now_required) & after.keys()):
            yield f"{path}/{name}: the field is not required any more, and readers rely on it"


_OF_SCHEMAS: Final = {
    *("items", "prefixItems", "contains", "additionalProperties", "unevaluatedProperties"),
    *("unevaluatedItems", "propertyNames", "anyOf", "oneOf", "allOf", "not", "if", "then", "else"),
}
"""Keywords whose value is a schema, or a list of them."""


def _may_change(keyword: str, before: object) -> bool:
    """Return whether it is an extension of our own that no reader relies on, or none did before."""
    is_relied_on = keyword in _HEEDED_EXTENSIONS and before is not None
    return keyword.startswith("x-") and not is_relied_on


def _is_same_set(keyword: str, before: object, after: object) -> bool:
    """Return whether it is a list that only has another order."""
    return (
        keyword in {"enum", "type"}
        and isinstance(before, list)
        and isinstance(after, list)
        and sorted(map(json.dumps, before)) == sorted(map(json.dumps, after))
    )


def _followed(schema: Schema, document: Schema) -> Schema:
    """Put what a reference points to in its place; what is beside it stays."""
    while (reference := schema.get("$ref")) is not None:
        found: Any = document
        for name in reference.removeprefix("#").split("/")[1:]:
            found = found[name]
        schema = {**found, **{name: value for name, value in schema.items() if name != "$ref"}}
    return schema


def _show(value: object) -> str:
    return "not there" if value is None else json.dumps(value)
