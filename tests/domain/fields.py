"""Kinds of fields that clients send, each with the values that it takes and refuses.

Each command's test declares its ``FIELDS``: the kind of each, by its path in the request. What is
written there is the HTTP contract's; the command's types are what is tested.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Accepts = Callable[[object], bool]
    """Return whether the command takes this value in the field, with the rest as in its sample."""


@dataclass(frozen=True)
class Field:
    """A field that is tried in tests of its own; the kinds below try theirs."""

    leaves: ClassVar[tuple[str, ...]] = ("",)
    """Which fields of the schema are tried, as what follows the field's own path."""
    optional: bool = False

    def check(self, accepts: Accepts) -> None:
        """Try values at, below and above each limit."""


TRIED_BELOW: Final = Field()
"""The test file itself has tests of the field's limits."""


@dataclass(frozen=True)
class Text(Field):
    """A text of 1 to ``longest`` characters."""

    longest: int = 0

    def check(self, accepts: Accepts) -> None:
        longest = self.longest
        assert accepts("x")
        assert accepts("x" * (longest - 1))
        assert accepts("x" * longest)
        assert not accepts("x" * (longest + 1))
        assert not accepts("")
        # Characters count, whatever they take in bytes or on paper.
        assert accepts("😀" * longest)
        assert accepts("e\u0301" * (longest // 2))
        assert accepts("\u05e9\u05dc\u05d5\u05dd" * (longest // 4))
        assert not accepts("e\u0301" * (longest // 2) + "xx")
        wrongs: list[object] = ["a\x00b", "\ud800", 7, True, [], {}]
        for wrong in wrongs:
            assert not accepts(wrong)
        assert accepts(None) is self.optional


def text(longest: int, *, optional: bool = False) -> Text:
    return Text(optional, longest)


@dataclass(frozen=True)
class Quantity(Field):
    """A whole number of units, ``fewest`` to a million."""

    fewest: int = 1

    def check(self, accepts: Accepts) -> None:
        for value in (1, 999_999, 1_000_000):
            assert accepts(value)
        for value in (1_000_001, 10**30, -1):
            assert not accepts(value)
        assert accepts(0) is (self.fewest == 0)
        for wrong in (1.0, 1.5, "1", True, None, [1]):
            assert not accepts(wrong)


@dataclass(frozen=True)
class LineId(Field):
    def check(self, accepts: Accepts) -> None:
        for value in (1, 999_999, 1_000_000):
            assert accepts(value)
        for wrong in (0, -1, 1_000_001, "1", 1.0, None):
            assert not accepts(wrong)


@dataclass(frozen=True)
class Fraction(Field):
    """A decimal string from 0 to 1 of at most 6 digits."""

    def check(self, accepts: Accepts) -> None:
        for value in ("0", "0.000001", "0.5", "0.999999", "1", "1.000000"):
            assert accepts(value)
        wrongs = ("0.0000001", "1.000001", "1.1", "2", "-0.1", ".5", "1.", "", "5%", 0.5, 0, None)
        for wrong in wrongs:
            assert not accepts(wrong)


@dataclass(frozen=True)
class Percentage(Field):
    """A decimal string from 0 to 100 of at most 4 digits."""

    def check(self, accepts: Accepts) -> None:
        for value in ("0", "0.0001", "12.5", "99.9999", "100", "100.0000"):
            assert accepts(value)
        for wrong in ("0.00001", "100.0001", "101", "-1", "1e1", "", 10, 12.5):
            assert not accepts(wrong)


@dataclass(frozen=True)
class Money(Field):
    """An amount, as a decimal string of its currency's digits, and the currency."""

    leaves = ("/amount", "/currency")
    positive: bool = False
    """Nothing at all is refused as well."""
    in_euros_only: bool = False
    """The request as a whole has a currency, and in the sample it is the euro."""
    null_has_a_meaning: bool = False
    """Null is neither the same as absent nor refused: the command's own tests try it."""

    def check(self, accepts: Accepts) -> None:
        currencies = {"EUR": 2} if self.in_euros_only else {"JPY": 0, "EUR": 2, "KWD": 3}
        for currency, digits in currencies.items():
            below = f".{'9' * digits}" if digits else ""
            for amount in ("1", f"1{below}", f"{'9' * 12}{below}", f"0{below}" if digits else "1"):
                assert accepts({"amount": amount, "currency": currency})
            for wrong in (f"1.{'0' * (digits + 1)}", f"{'9' * 13}{below}", f"{'9' * 400}"):
                assert not accepts({"amount": wrong, "currency": currency})
        for wrong in (
            "-1",
            "+1",
            "1e3",
            "1E-2",
            "",
            " 1",
            "1,5",
            "NaN",
            "Infinity",
            "\u0661",
            "0x1",
        ):
            assert not accepts({"amount": wrong, "currency": "EUR"})
        wrongs: list[object] = [1, 1.5, "1", [], {"amount": "1"}, {"currency": "EUR"}]
        for no_money in wrongs:
            assert not accepts(no_money)
        if not self.null_has_a_meaning:
            assert accepts(None) is self.optional
        for unknown in ("eur", "EURO", "XXX", "ZZZ", "", "E", None, 978):
            assert not accepts({"amount": "1", "currency": unknown})
        assert accepts({"amount": "0.00", "currency": "EUR"}) is not self.positive


@dataclass(frozen=True)
class PartId(Field):
    """An id of 1 to 64 characters that a path can have."""

    def check(self, accepts: Accepts) -> None:
        for value in ("1", "a" * 63, "a" * 64, "A.b_c~d-9"):
            assert accepts(value)
        wrongs = ("", "a" * 65, "a b", "a/b", "ä", "-a", ".", "a\n", "a\x00", "😀", 1, None)
        for wrong in wrongs:
            assert not accepts(wrong)


@dataclass(frozen=True)
class Country(Field):
    """A country code (ISO 3166-1 alpha-2)."""

    def check(self, accepts: Accepts) -> None:
        assert accepts("DE")
        for wrong in ("D", "DEU", "de", "", "D1", "DE\n", "ДЕ", None, 49):
            assert not accepts(wrong)


@dataclass(frozen=True)
class Items(Field):
    """A list of up to 500 items, each of another line."""

    leaves = ()
    item: tuple[tuple[str, object], ...] = ()
    fewest: int = 1

    def check(self, accepts: Accepts) -> None:
        item = dict(self.item)

        def items(count: int) -> list[dict[str, Any]]:
            return [item | {"line_id": number} for number in range(1, count + 1)]

        for count in (1, 499, 500):
            assert accepts(items(count))
        assert not accepts(items(501))
        assert accepts([]) is (self.fewest == 0)
        assert not accepts([*items(2), items(1)[0]])  # its first line again
        assert not accepts([{}] * 80_000)
        wrongs: list[object] = [{}, "1", 1, [1], [None]]
        for wrong in wrongs:
            assert not accepts(wrong)


def address_at(path: str) -> Mapping[str, Field]:
    """Return the fields of an address."""
    return {
        f"{path}/name": text(200),
        f"{path}/street": text(200),
        f"{path}/city": text(100),
        f"{path}/region": text(100, optional=True),
        f"{path}/postal_code": text(100, optional=True),
        f"{path}/country": Country(),
    }


def line_at(path: str, *, in_euros_only: bool = False) -> Mapping[str, Field]:
    """Return the fields of a line that is ordered."""
    prefix = f"{path}/" if path else ""
    return {
        f"{prefix}sku": text(64),
        f"{prefix}name": text(200, optional=True),
        f"{prefix}quantity": Quantity(),
        f"{prefix}unit_price": Money(in_euros_only=in_euros_only),
        f"{prefix}discount": Fraction(),
        f"{prefix}tax_rate": Fraction(),
    }


def items_at(path: str, fewest: int = 1, **item: Field) -> Mapping[str, Field]:
    """Return the fields of a list of items; ``item`` are those beside the line's id."""
    values = {"quantity": 1, "reason": "r"}
    sample = tuple((name, values[name]) for name in item)
    return {
        path: Items(item=(("line_id", 1), *sample), fewest=fewest),
        f"{path}/0/line_id": LineId(),
        **{f"{path}/0/{name}": field for name, field in item.items()},
    }
