"""What pydantic leaves open: fields that are valid each, and wrong together. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ValueT = TypeVar("ValueT")


def fields_error(pointers: list[str], detail: str) -> PydanticCustomError:
    """Return the error of several fields of a model, by their JSON pointers from the model."""
    return PydanticCustomError("fields", "{detail}", {"pointers": pointers, "detail": detail})


def not_reversed(first: Any, last: Any, field: str = "to", its_first: str = "from") -> None:  # noqa: ANN401 - whatever can be compared
    """Refuse a range that ends before it begins; None: it has no such end.

    Raises:
        PydanticCustomError: it does.
    """
    if first is not None and last is not None and last < first:
        raise fields_error([f"/{field}"], f"must not be less than {its_first}")


def needs_currency(currency: str | None) -> None:
    """Refuse to compare amounts of no currency in particular.

    Raises:
        PydanticCustomError: no currency is named.
    """
    if currency is None:
        raise fields_error(
            ["/currency"], "say which currency: amounts of several cannot be compared"
        )


def members(sent: object) -> Mapping[str, Any]:
    """Return the members of an object that was sent, or is made already; of all else none."""
    if isinstance(sent, BaseModel):
        return dict(sent)
    return sent if isinstance(sent, dict) else {}


def validate_with(
    sent: Any,  # noqa: ANN401 - whatever the client sent
    validate: Callable[[Any], ValueT],
    look: Callable[[Any], PydanticCustomError | None],
) -> ValueT:
    """Validate what was sent, and look at several of its fields together: for wrap validators.

    ``look`` gets whatever the client sent. Left to itself, pydantic would compare fields only when
    each is valid, and the answer would not name all that is wrong.
    """
    problem = look(sent)
    try:
        value = validate(sent)
    except ValidationError as error:
        if problem is None:
            raise
        found = [*map(_found_again, error.errors()), InitErrorDetails(type=problem, input=sent)]
        raise ValidationError.from_exception_data(error.title, found) from error
    if problem is not None:
        raise problem
    return value


def _found_again(finding: ErrorDetails) -> InitErrorDetails:
    context = finding.get("ctx", {})
    own = PydanticCustomError("fields", "{detail}", context)
    kind = own if finding["type"] == own.type else finding["type"]
    return InitErrorDetails(
        type=kind, loc=finding["loc"], input=finding["input"], ctx={} if kind is own else context
    )
