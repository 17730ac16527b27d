"""Every text of every command: people can see it, and it reads as it is written."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any

import pytest

from ordering.domain.parts import Coupon, Refund, ReturnItem, Shipment
from ordering.domain.values import Address
from tests.domain import test_limits
from tests.domain.fields import Field, Fraction, Money, Percentage
from tests.domain.life import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ordering.domain.values import Value

LINES = "add_note/text"
"""The field whose text may have line breaks."""
BREAKS = ["a\nb", "a\r\nb", "a\tb", "\na", "a\n", "a\u2028b", "a\u2029b"]
REFUSED = [
    *("a\x00b", "a\x07b", "a\x08b", "a\x0bb", "a\x0cb", "a\x1bb", "a\x1fb", "a\x7fb", "\x1b[31ma"),
    *("a\x80b", "a\x85b", "a\x9fb"),  # C1
    *("a\u202ab", "a\u202bb", "a\u202cb", "a\u202db", "a\u202eb", "\u202egpj.exe"),
    *("a\u2066b", "a\u2067b", "a\u2068b", "a\u2069b"),
    *("a\ufff9b", "a\ufffab", "a\ufffbb", "a\ufdd0b", "a\uffffb", "a\U0001fffeb"),
]
BLANK = [
    *(" ", "   ", "\u00a0", "\u1680", "\u2003", "\u2007", "\u202f", "\u205f", "\u3000"),
    *("\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u034f", "\u180e"),
    *("\u200e", "\u200f", "\u061c"),  # direction marks
    *("\u115f", "\u1160", "\u3164", "\uffa0"),  # Hangul fillers
    *("\u2800", "\U0001d159", "\ufe0f", "\U000e0041", "\U000e0100"),
    " \u200b\u00a0\u3164 ",
]
ACCEPTED = [
    *("Maria Anders", "O'Brien & Söhne", "  a ", "-", ".", "7", "Nguyễn Văn A", "A/B #3, 2. OG"),
    unicodedata.normalize("NFD", "Nguyễn Thị Hạnh"),
    *("محمد علي", "می‌خواهم", "שלום", "שָׁלוֹם", "हिन्दी", "श्री", "ภาษาไทย", "தமிழ்", "ខ្មែរ"),
    *("東京都千代田区", "서울특별시", "Ελλάδα", "Владивосток", "ქართული", "አማርኛ"),
    *("👨\u200d👩\u200d👧", "❤️", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"),
    *("a\u00a0b", "a\u200eb", "1\u200f2", "co\u00adoperate", "\u0e33", "\ue000"),
]


def accepts(field: str, value: object) -> bool:
    """Return whether the command takes the value; a field is `<stem>/<path>`."""
    stem, _, path = field.partition("/")
    return test_limits.accepts(stem, path, value)


def fields_of(*kinds: type[Field]) -> list[str]:
    """Return the fields of these kinds that the commands' tests declare."""
    return [f"{stem}/{path}" for stem, path, kind in test_limits.FIELDS if isinstance(kind, kinds)]


def text_fields() -> Iterator[str]:
    """Find the texts of all commands in their models: strings that no list or form confines."""
    for stem, module in COMMANDS.items():
        schema = module.handler.command.model_json_schema()
        for field, leaf in _strings(schema, stem, schema):
            if "maxLength" in leaf or not {"pattern", "format", "enum"} & leaf.keys():
                yield field


def _strings(
    schema: dict[str, Any], at: str, root: dict[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    for option in schema.get("anyOf", ()):
        yield from _strings(option, at, root)
    for name, field in schema.get("properties", {}).items():
        yield from _strings(field, f"{at}/{name}", root)
    if "items" in schema:
        yield from _strings(schema["items"], f"{at}/0", root)
    if schema.get("type") == "string":
        yield at, schema


FIELDS = sorted(text_fields())


def test_so_many_texts_are_tried() -> None:
    assert len(FIELDS) >= 35  # of the commands of the first release
    assert LINES in FIELDS
    assert len(REFUSED) + len(BLANK) + len(BREAKS) == 65
    assert len(ACCEPTED) == 33


@pytest.mark.parametrize("field", FIELDS)
def test_what_cannot_be_seen_or_reads_otherwise_is_refused(field: str) -> None:
    taken = [text for text in [*REFUSED, *BLANK] if accepts(field, text)]
    assert [ascii(text) for text in taken] == []


@pytest.mark.parametrize("field", FIELDS)
def test_only_longer_texts_have_several_lines(field: str) -> None:
    taken = [text for text in BREAKS if accepts(field, text)]
    assert taken == (BREAKS if field == LINES else [])
    assert not accepts(field, "\n\r\n\t")


@pytest.mark.parametrize("field", FIELDS)
def test_what_people_write_is_accepted(field: str) -> None:
    refused = [text for text in ACCEPTED if not accepts(field, text)]
    assert [ascii(text) for text in refused] == []


@pytest.mark.parametrize("field", FIELDS)
def test_the_document_refuses_no_more_than_the_command(field: str) -> None:
    stem = field.partition("/")[0]
    schema = COMMANDS[stem].handler.command.model_json_schema()
    (leaf,) = (leaf for found, leaf in _strings(schema, stem, schema) if found == field)
    pattern = re.compile(leaf["pattern"].replace("$", r"\Z"))
    assert all(pattern.search(text) for text in [*ACCEPTED, *BLANK])
    # Patterns of documents know no characters beyond the first plane in all dialects.
    known = [text for text in REFUSED if max(text) <= "\uffff" and "\ufdd0" not in text]
    assert not [text for text in known if pattern.search(text)]


FRACTIONS_AND_PERCENT = fields_of(Fraction, Percentage)


@pytest.mark.parametrize("field", [*fields_of(Money), *FRACTIONS_AND_PERCENT])
def test_a_number_is_written_in_one_way(field: str) -> None:
    def is_accepted(number: object) -> bool:
        in_money = {"amount": number, "currency": "EUR"}
        return accepts(field, number if field in FRACTIONS_AND_PERCENT else in_money)

    others = ["01", "01.00", "00", "00.5", "007", "+1", "-1", "-0", "-0.00", " 1", "1 ", "1_0"]
    others += ["1e0", "1E0", ".5", "1.", "1,0", "0x1", "", "NaN", "Infinity", "1\n"]
    others += ["\N{ARABIC-INDIC DIGIT ONE}", "\N{FULLWIDTH DIGIT ONE}"]
    assert [text for text in others if is_accepted(text)] == []
    assert [number for number in (0, 1, 0.5, True) if is_accepted(number)] == []
    # Zeros at the end are of the currency's digits.
    assert [text for text in ("1.00", "0.50", "1") if not is_accepted(text)] == []


ODD = " \n\u202e\x07\u200b"


@pytest.mark.parametrize(
    "stored",
    [
        Address(name=ODD, street=ODD, city=ODD, region=ODD, postal_code=ODD, country="DE"),
        Coupon.model_validate({"code": ODD, "percent_off": "05"}),
        Coupon.model_validate({"code": ODD, "amount_off": {"amount": "01.00", "currency": "EUR"}}),
        ReturnItem(line_id=1, quantity=1, reason=ODD),
        Refund.model_validate(
            {"refund_id": "r", "payment_id": "p", "amount": "1.00", "reason": ODD}
        ),
        Shipment.model_validate(
            {
                "shipment_id": "s",
                "carrier": ODD,
                "tracking_number": ODD,
                "items": [],
                "shipped_at": "2026-11-22T12:00:00Z",
                "signed_by": ODD,
            }
        ),
    ],
    ids=lambda stored: type(stored).__name__,
)
def test_what_is_stored_stays_readable(stored: Value) -> None:
    assert type(stored).model_validate_json(stored.model_dump_json()) == stored
