"""Values of the Order domain: money, fractions, quantities and names. Pure.

Money follows the HTTP contract: decimal strings, never floats, with no more digits than the
currency has minor units (ISO 4217).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from annotated_types import GroupedMetadata
from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from .limits import MAX_LINE_ID
from .validation import fields_error

if TYPE_CHECKING:
    from collections.abc import Iterator

_NO_MINOR_UNIT = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE_DIGITS = "BHD IQD JOD KWD LYD OMR TND"
_FOUR_DIGITS = "CLF UYW"
_TWO_DIGITS = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD"
    " CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS"
    " GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD"
    " LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB"
    " PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP"
    " SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW"
    " ZWG"
)
CURRENCY_DIGITS: Final[dict[str, int]] = {
    code: digits
    for codes, digits in (
        (_NO_MINOR_UNIT, 0),
        (_TWO_DIGITS, 2),
        (_THREE_DIGITS, 3),
        (_FOUR_DIGITS, 4),
    )
    for code in codes.split()
}
"""Minor-unit digits of each active currency that has them (ISO 4217, list one)."""

_AMOUNT = re.compile(r"[0-9]{1,12}(\.[0-9]{1,4})?", re.ASCII)
_FRACTION = re.compile(r"(0(\.[0-9]{1,6})?|1(\.0{1,6})?)", re.ASCII)
_PERCENT = re.compile(r"([0-9]{1,2}(\.[0-9]{1,4})?|100(\.0{1,4})?)", re.ASCII)


_MINOR_UNIT = {code: Decimal(1).scaleb(-digits) for code, digits in CURRENCY_DIGITS.items()}


def round_to_currency(amount: Decimal, currency: str) -> Decimal:
    """Round half up to the currency's digits, as the HTTP contract defines totals."""
    unit = _MINOR_UNIT[currency]
    # Hardly any amount has other digits, and to look is cheaper than to round.
    return amount if amount.same_quantum(unit) else amount.quantize(unit, ROUND_HALF_UP)


def decimal_of(pattern: re.Pattern[str], what: str) -> BeforeValidator:
    """Return a validator of decimal strings; ``what`` says to clients what is right."""

    def parse(value: Any) -> Decimal:  # noqa: ANN401 - a validator sees whatever the client sent
        # Inside the process a value that was parsed once already arrives as the Decimal it became.
        if isinstance(value, Decimal):
            return value
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError(what)
        return Decimal(value)

    return BeforeValidator(parse)


def is_currency(value: object) -> bool:
    """Return whether it is the code of a currency that amounts can be in."""
    return isinstance(value, str) and value in CURRENCY_DIGITS


def digits_problem(amount: Decimal, currency: str) -> str:
    """Return what is wrong with an amount's digits after the point; empty: nothing."""
    digits = CURRENCY_DIGITS[currency]
    exponent = amount.as_tuple().exponent
    if isinstance(exponent, int) and -exponent > digits:
        most = f"at most {digits} digits" if digits else "no digits"
        return f"{currency} has {most} after the point"
    return ""


Amount = Annotated[
    Decimal,
    decimal_of(
        _AMOUNT,
        'must be a decimal string such as "12.30", not negative, with at most 12 digits before'
        " the point",
    ),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]{1,12}(\.[0-9]{1,4})?$"}),
]
"""An amount of the order's currency: a decimal string in JSON."""

Fraction = Annotated[
    Decimal,
    decimal_of(_FRACTION, 'must be a decimal string from "0" to "1" with at most 6 digits'),
    WithJsonSchema({"type": "string", "pattern": r"^(0(\.[0-9]{1,6})?|1(\.0{1,6})?)$"}),
]
"""A share of one: a decimal string in JSON, from "0" to "1"."""

Percent = Annotated[
    Decimal,
    decimal_of(_PERCENT, 'must be a decimal string from "0" to "100" with at most 4 digits'),
    WithJsonSchema({"type": "string", "pattern": r"^([0-9]{1,2}(\.[0-9]{1,4})?|100(\.0{1,4})?)$"}),
]
"""A percentage: a decimal string in JSON, from "0" to "100"."""


class InOrderCurrency:
    """Marks a field as an amount in the order's currency: documents show it as money."""


Sum = Annotated[
    Decimal,
    InOrderCurrency(),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]+(\.[0-9]{1,4})?$"}),
]
"""A computed amount, which may have more digits than a client may send."""

_CURRENCY: Final = f"^(?:{'|'.join(CURRENCY_DIGITS)})$"
Currency = Annotated[
    str,
    StringConstraints(strict=True, pattern=_CURRENCY),
    WithJsonSchema({"type": "string", "pattern": "^[A-Z]{3}$"}),
]
_MAX_QUANTITY = 1_000_000
Quantity = Annotated[int, Field(strict=True, ge=1, le=_MAX_QUANTITY)]
Count = Annotated[int, Field(strict=True, ge=0, le=_MAX_QUANTITY)]
"""A quantity that may be none."""
LineId = Annotated[int, Field(strict=True, ge=1, le=MAX_LINE_ID)]


_NUMBER_IN_TEXT = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)


def whole_number_of(value: Any) -> Any:  # noqa: ANN401 - as in decimal_of
    """Return the number that a text is, written in its one form; anything else as it is."""
    # int() would also take "1_0", "+5", " 5", "05" and digits of other scripts.
    is_number = isinstance(value, str) and _NUMBER_IN_TEXT.fullmatch(value)
    return int(value) if is_number else value


PageLimit = Annotated[int, Field(strict=True, ge=1, le=100), BeforeValidator(whole_number_of)]
"""How many items a page of a list may have; a query string gives it as text."""
_PART_ID = r"^[A-Za-z0-9][A-Za-z0-9._~-]{0,63}$"
PartId = Annotated[str, StringConstraints(strict=True, pattern=_PART_ID)]
"""The client's own id of a payment, shipment, return or refund: it needs no escaping in a path."""


# PostgreSQL stores every character but this one. As a pattern it is looked for without calling
# back into Python for each text of an order.
_WITHOUT_NUL: Final = r"^[^\x00]*$"


@dataclass(frozen=True)
class _Text(GroupedMetadata):
    """Text of at least one character that the database can store."""

    max_length: int

    def __iter__(self) -> Iterator[object]:
        yield StringConstraints(
            strict=True, min_length=1, max_length=self.max_length, pattern=_WITHOUT_NUL
        )
        yield WithJsonSchema({"type": "string", "minLength": 1, "maxLength": self.max_length})


Text64 = Annotated[str, _Text(64)]
Text100 = Annotated[str, _Text(100)]
Text200 = Annotated[str, _Text(200)]
Text500 = Annotated[str, _Text(500)]
Text2000 = Annotated[str, _Text(2000)]

Status = Literal[
    "placed",
    "confirmed",
    "part_paid",
    "paid",
    "held",
    "in_fulfilment",
    "part_shipped",
    "shipped",
    "part_delivered",
    "delivered",
    "completed",
    "return_requested",
    "return_approved",
    "part_returned",
    "returned",
    "refund_due",
    "refunded",
    "cancelled",
]
"""Where an order stands; each word is defined in ``status.py``."""

Stage = Literal["held", "to_pay", "to_fulfil", "to_ship", "to_deliver", "to_return", "to_refund"]
"""What an order waits for; each word is defined in ``stages.py``."""

PERSONAL: Final = Field(json_schema_extra={"x-personal": True})
"""Marks a field that holds personal data: what an audited redaction may overwrite."""

CustomerId = Text64
Sku = Text64
Instant = AwareDatetime
"""A point in time, in UTC."""


class Value(BaseModel):
    """A frozen value that refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_timedelta="iso8601")


class Money(Value):
    """An amount with its currency, as the HTTP contract writes it."""

    amount: Amount
    currency: Currency

    @model_validator(mode="after")
    def _fits_the_currency(self) -> Money:
        if problem := digits_problem(self.amount, self.currency):
            raise fields_error(["/amount"], problem)
        return self


_COUNTRY = "^[A-Z]{2}$"
PATTERNS: Final = {
    _CURRENCY: 'must be an ISO 4217 currency code in capitals, such as "EUR"',
    _WITHOUT_NUL: "must not contain the character NUL",
    _PART_ID: 'must have 1 to 64 letters of a to z, digits, ".", "_", "~" and "-", and begin with'
    " a letter or a digit",
    _COUNTRY: 'must be an ISO 3166-1 country code of two capitals, such as "DE"',
}
"""What a text must be that a pattern refuses, in words."""


class Address(Value):
    """Where an order goes to, or its bill."""

    name: Annotated[Text200, PERSONAL]
    street: Annotated[Text200, PERSONAL]
    city: Annotated[Text100, PERSONAL]
    region: Annotated[Text100 | None, PERSONAL] = None
    postal_code: Annotated[Text100 | None, PERSONAL] = None
    country: Annotated[str, StringConstraints(strict=True, pattern=_COUNTRY)] = Field(
        description="ISO 3166-1 alpha-2"
    )


@cache
def amount_fields(model: type[Value]) -> frozenset[str]:
    """Return the names of a model's fields that are amounts in the order's currency."""
    return frozenset(
        name
        for name, field in model.model_fields.items()
        if any(isinstance(mark, InOrderCurrency) for mark in field.metadata)
    )


@cache
def instant_fields(model: type[Value]) -> frozenset[str]:
    """Return the names of a model's fields that are instants, or null."""
    return frozenset(
        name
        for name, field in model.model_fields.items()
        if field.annotation in {Instant, Instant | None}
    )
