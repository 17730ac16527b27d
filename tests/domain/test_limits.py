"""Every limit of the HTTP contract, in every command that has it: at, below and above it.

Each command's test declares its fields; see ``fields.py`` for what each kind of field takes.
"""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from ordering.runtime.findings import findings
from tests.domain.life import COMMANDS, declarations

if TYPE_CHECKING:
    from tests.domain.fields import Field

FIELDS: list[tuple[str, str, Field]] = [
    (stem, path, field) for stem in COMMANDS for path, field in declarations(stem).FIELDS.items()
]


def accepts(stem: str, path: str, value: object) -> bool:
    """Return whether the command takes it; if not, only this field is named as invalid."""
    command = COMMANDS[stem].handler.command
    try:
        command.model_validate(_with(stem, path.split("/"), value))
    except ValidationError as error:
        found = findings(error)
        named = {finding["pointer"] for finding in found}
        # Clients know JSON, not what this is written with.
        details = {finding["detail"] for finding in found}
        words = "input|string should|tuple|pattern"
        assert not any(re.search(words, detail, re.IGNORECASE) for detail in details)
        assert all((pointer + "/").startswith(f"/{path}/") for pointer in named), named
        return False
    return True


def _with(stem: str, path: list[str], value: object) -> dict[str, Any]:
    """Return the command's sample with this value in the field."""
    changed: dict[str, Any] = copy.deepcopy(dict(declarations(stem).SAMPLE))
    alternatives = COMMANDS[stem].handler.command.model_json_schema().get("x-exactly-one-of", [])
    if path[0] in alternatives:
        changed = {name: sent for name, sent in changed.items() if name not in alternatives}
    place: Any = changed
    for step in path[:-1]:
        if step not in place and isinstance(place, dict) and step.endswith("_address"):
            place[step] = copy.deepcopy(changed["shipping_address"])
        place = place[int(step) if step.isdigit() else step]
    place[path[-1]] = value
    return changed


@pytest.mark.parametrize(
    ("stem", "path", "field"), FIELDS, ids=[f"{stem}/{path}" for stem, path, _ in FIELDS]
)
def test_a_field_takes_what_its_kind_takes(stem: str, path: str, field: Field) -> None:
    field.check(lambda value: accepts(stem, path, value))


@pytest.mark.parametrize("stem", COMMANDS)
def test_every_field_of_a_command_is_declared_and_tried(stem: str) -> None:
    declared = declarations(stem)
    tried = {path + leaf for path, field in declared.FIELDS.items() for leaf in field.leaves}
    in_path = {"line_id", "payment_id", "shipment_id", "return_id"} & declared.SAMPLE.keys()
    sent = set(_leaves(COMMANDS[stem].handler.command.model_json_schema(), "")) - in_path
    missing = sorted(sent - tried)
    assert not missing, f"tests/domain/test_{stem}.py: declare in FIELDS what {missing} take"
    assert tried - in_path <= sent


def _leaves(schema: dict[str, Any], at: str, root: dict[str, Any] | None = None) -> list[str]:
    root = root or schema
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    if schema.get("type") == "null":
        return []
    prefix = f"{at}/" if at else ""
    below = [
        *((at, option) for option in schema.get("anyOf", ())),
        *((f"{prefix}{name}", field) for name, field in schema.get("properties", {}).items()),
    ]
    if "items" in schema:
        below.append((f"{at}/0", schema["items"]))
    found = [leaf for place, part in below for leaf in _leaves(part, place, root)]
    return found if below or schema.get("type") == "object" else [at]


def test_a_line_that_is_named_again_is_reported_with_what_else_is_wrong() -> None:
    items = [{"line_id": 1, "quantity": 0}, {"line_id": 1, "quantity": 1}, {"quantity": 1}, 7]
    with pytest.raises(ValidationError) as caught:
        COMMANDS["ship_items"].handler.command.model_validate(
            {"shipment_id": "s", "carrier": "DHL", "items": items}
        )
    assert {finding["pointer"] for finding in findings(caught.value)} == {
        "/items/0/quantity",
        "/items/1/line_id",
        "/items/2/line_id",
        "/items/3",
    }


@pytest.mark.parametrize("stem", COMMANDS)
def test_an_unknown_field_is_refused(stem: str) -> None:
    assert not accepts(stem, "surprise", 1)
