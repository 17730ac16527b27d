"""Values as clients send them, where more is asked of them than of what is stored. Pure.

What is stored was sent under the rules of its time, and stays readable when these get stricter; so
commands use the types here, and events and the order those of ``values.py``. A rule decides on
stored values: what has a type of its own here becomes the stored type when it is validated.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final

from annotated_types import GroupedMetadata
from pydantic import AfterValidator, BeforeValidator, StringConstraints, WithJsonSchema

from .validation import fields_error
from .values import PATTERNS as STORED_PATTERNS
from .values import (
    PERSONAL,
    Address,
    Currency,
    Instant,
    LineId,
    Money,
    decimal_of,
    whole_number_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

# ── texts ────────────────────────────────────────────────────────────────────────────────────────
# As one pattern each, texts are looked at without calling back into Python for each one of an
# order. The classes are Unicode's; the pattern's syntax is of the Rust crate regex.
_SEPARATORS: Final = r"\x{2028}\x{2029}"
_DIRECTIONS: Final = r"\x{202A}-\x{202E}\x{2066}-\x{2069}"
"""Embeddings, overrides and isolates (UAX 9): the text after them may read in another order."""
_ANNOTATIONS: Final = r"\x{FFF9}-\x{FFFB}\p{Noncharacter_Code_Point}"
"""Neither is for interchange (Unicode 23.7 and 23.8)."""
_BLANKS: Final = (
    r"\p{White_Space}\p{Default_Ignorable_Code_Point}"
    # Letters and symbols that are drawn as nothing.
    r"\x{2800}\x{13441}\x{13442}\x{1D159}"
)


def _pattern(controls: str) -> str:
    refused = controls + _DIRECTIONS + _ANNOTATIONS
    return f"^[^{refused}]*[^{refused}{_BLANKS}][^{refused}]*$"


_ONE_LINE: Final = _pattern(r"\x00-\x1F\x7F-\x9F" + _SEPARATORS)
_LINES: Final = _pattern(r"\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x9F")
# For JSON Schema, in the part of the syntax that all dialects have; it cannot exclude blank texts.
_REFUSED_SCHEMA: Final = r"\u202A-\u202E\u2066-\u2069\uFFF9-\uFFFB\uFFFE\uFFFF"
_SCHEMAS: Final = {
    _ONE_LINE: rf"^[^\u0000-\u001F\u007F-\u009F\u2028\u2029{_REFUSED_SCHEMA}]*$",
    _LINES: rf"^[^\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F{_REFUSED_SCHEMA}]*$",
}


@dataclass(frozen=True)
class _SentText(GroupedMetadata):
    """Text that people can see, and that reads as it is written."""

    max_length: int
    pattern: str = _ONE_LINE

    def __iter__(self) -> Iterator[object]:
        yield StringConstraints(
            strict=True, min_length=1, max_length=self.max_length, pattern=self.pattern
        )
        schema = {"type": "string", "minLength": 1, "maxLength": self.max_length}
        yield WithJsonSchema({**schema, "pattern": _SCHEMAS[self.pattern]})


SentText64 = Annotated[str, _SentText(64)]
"""One line of text, as the others of this name."""
SentText100 = Annotated[str, _SentText(100)]
SentText200 = Annotated[str, _SentText(200)]
SentText500 = Annotated[str, _SentText(500)]
SentLines2000 = Annotated[str, _SentText(2000, _LINES)]
"""Text that may have line breaks and tabs."""

PATTERNS: Final = STORED_PATTERNS | {
    _ONE_LINE: "must be one line of visible text: neither blank nor with line breaks, control"
    " characters or characters that change the direction of writing",
    _LINES: "must be visible text: neither blank nor with control characters, but for line breaks"
    " and tabs, or characters that change the direction of writing",
}
"""What a text must be that a pattern refuses, in words."""


class SentAddress(Address):
    """Where an order is to go, or its bill."""

    name: Annotated[SentText200, PERSONAL]
    street: Annotated[SentText200, PERSONAL]
    city: Annotated[SentText100, PERSONAL]
    region: Annotated[SentText100 | None, PERSONAL] = None
    postal_code: Annotated[SentText100 | None, PERSONAL] = None


def _stored(sent: Address) -> Address:
    # Equal to the order's address only if it has its class.
    return Address(**dict(sent))


AddressToStore = Annotated[SentAddress, AfterValidator(_stored)]

# ── numbers: one way to write each, but for zeros at the end ─────────────────────────────────────
_AMOUNT: Final = re.compile(r"(0|[1-9][0-9]{0,11})(\.[0-9]{1,4})?", re.ASCII)
_PERCENT: Final = re.compile(r"(0|[1-9][0-9]?)(\.[0-9]{1,4})?|100(\.0{1,4})?", re.ASCII)
SentAmount = Annotated[
    Decimal,
    decimal_of(
        _AMOUNT,
        'must be a decimal string such as "12.30", not negative, with at most 12 digits before'
        " the point and no zero before another",
    ),
    WithJsonSchema({"type": "string", "pattern": f"^{_AMOUNT.pattern}$"}),
]
AmountToCompare = Annotated[
    SentAmount,
    WithJsonSchema({"type": "string", "pattern": f"^{_AMOUNT.pattern}$", "maxLength": 17}),
]
"""An amount to look for."""
SentPercent = Annotated[
    Decimal,
    decimal_of(
        _PERCENT,
        'must be a decimal string from "0" to "100" with at most 4 digits after the point and no'
        " zero before another digit",
    ),
    WithJsonSchema({"type": "string", "pattern": f"^({_PERCENT.pattern})$"}),
]
LineIdInPath = Annotated[LineId, BeforeValidator(whole_number_of)]
"""A line id that a path gives as text."""


class SentMoney(Money):
    """An amount with its currency, with no more digits than the currency has."""

    amount: SentAmount


def _more_than_nothing(value: SentMoney) -> SentMoney:
    if not value.amount:
        raise fields_error(["/amount"], "must be more than 0")
    return value


PositiveMoney = Annotated[SentMoney, AfterValidator(_more_than_nothing)]
"""Money, and not none of it."""

# ── times ────────────────────────────────────────────────────────────────────────────────────────
_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
INSTANT_WORDS: Final = (
    'must be an RFC 3339 time, in UTC of the years 1900 to 2199, such as "2026-11-22T12:00:00Z"'
)
_YEARS = range(1900, 2200)


def _instant(value: Any) -> Any:  # noqa: ANN401 - a validator sees whatever the client sent
    if isinstance(value, str) and not _RFC_3339.fullmatch(value):
        raise ValueError(INSTANT_WORDS)
    if not isinstance(value, str | datetime):
        raise ValueError(INSTANT_WORDS)  # noqa: TRY004 - pydantic lists ValueErrors
    return value


def _in_utc(value: datetime) -> datetime:
    # Looked at before it is converted too: what is near the ends of time cannot be.
    if value.year not in _YEARS or (in_utc := value.astimezone(UTC)).year not in _YEARS:
        raise ValueError(INSTANT_WORDS)
    return in_utc


SentInstant = Annotated[Instant, BeforeValidator(_instant), AfterValidator(_in_utc)]
"""A point in time (RFC 3339) as a client writes it, brought to UTC."""

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
DATE_WORDS: Final = 'must be a date of the years 1900 to 2199, such as "2026-11-22"'


def _date(value: Any) -> str:  # noqa: ANN401 - as _instant
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        raise ValueError(DATE_WORDS)
    try:
        is_known = date.fromisoformat(value).year in _YEARS
    except ValueError:
        is_known = False
    if not is_known:
        raise ValueError(DATE_WORDS)
    return value


SentDate = Annotated[
    str,
    BeforeValidator(_date),
    WithJsonSchema({"type": "string", "format": "date", "maxLength": 10}),
]
"""A day of the business, as a client writes it."""

SentCurrency = Annotated[
    Currency, WithJsonSchema({"type": "string", "pattern": "^[A-Z]{3}$", "maxLength": 3})
]
"""A currency to look for."""
