"""What is wrong with the fields of a request: where, as a JSON pointer, and in words what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ordering.domain.sent import INSTANT_WORDS, PATTERNS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import ValidationError


def findings(error: ValidationError) -> list[Mapping[str, str]]:
    """List every invalid field that pydantic found, as the ``errors`` of a problem."""
    found = error.errors(include_url=False, include_input=False)
    places = [finding["loc"] for finding in found]
    errors: list[Mapping[str, str]] = []
    for finding in found:
        place = finding["loc"]
        if finding["type"] == "too_short" and any(
            len(other) > len(place) and other[: len(place)] == place for other in places
        ):
            continue  # pydantic counts only valid items; what is wrong with the others is listed
        context = finding.get("ctx", {})
        detail = _detail(finding["type"], finding["msg"], context)
        pointer = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in place)
        # One finding may be about several fields below its place: see values.fields_error.
        below = context.get("pointers", [""])
        errors += [{"pointer": pointer + field, "detail": detail} for field in below]
    return errors


def _detail(kind: str, message: str, context: Mapping[str, Any]) -> str:
    if kind == "string_pattern_mismatch":
        return PATTERNS.get(context["pattern"], message)
    if kind in _OURS:
        return message.removeprefix("Value error, ")
    return _DETAILS.get(kind, "is not valid").format(**context)


_OURS: Final = {"value_error", "fields"}
"""The types of errors that validators of this code raise; pydantic's own words reach no client."""
# By pydantic's type of error; in braces what its context has.
_DETAILS: Final = {
    **dict.fromkeys(
        ("datetime_parsing", "datetime_from_date_parsing", "datetime_object_invalid"),
        INSTANT_WORDS,
    ),
    "extra_forbidden": "is not a field of this request; remove it",
    "missing": "is required",
    "model_type": "must be a JSON object",
    "string_type": "must be text",
    "string_unicode": "must be Unicode text, without half of a surrogate pair",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "tuple_type": "must be a list",
    "too_short": "must not be empty",
    "too_long": "must have at most {max_length} items",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number of fewer digits",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
    "literal_error": "must be one of {expected}",
}
