"""Read request headers that are lists of directives: ``Prefer`` and ``Cache-Control``. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_SECONDS: Final = 2**31
"""RFC 9111 (1.2.2): what a number of seconds counts as that is too large to be represented."""
_MOST_DIGITS: Final = len(str(_MOST_SECONDS))
# A quoted string may hold commas. One that is never closed reaches to the header's end.
_ELEMENT: Final = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*+(?:"|\\?\Z))++', re.DOTALL)
_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_DIRECTIVE: Final = re.compile(
    rf'({_WORD})(?:[ \t]*=[ \t]*(?:({_WORD})|"((?:[^"\\]|\\.)*+)"))?[ \t]*(?:;.*)?', re.DOTALL
)
_SECONDS: Final = re.compile(r"[0-9]+", re.ASCII)


def read_directives(header: str) -> Iterator[tuple[str, str]]:
    """Yield name, in lower case, and value of each directive; the value is empty if it has none.

    A value may be quoted (RFC 9110, 5.6.4). Parameters after a semicolon (RFC 7240) and elements
    that are malformed are left out.
    """
    for element in _ELEMENT.findall(header):
        match = _DIRECTIVE.fullmatch(element.strip(" \t"))
        if match is not None:
            name, token, quoted = match.groups()
            yield name.lower(), token or re.sub(r"\\(.)", r"\1", quoted or "")


def read_seconds(value: str) -> int | None:
    """Return a directive's number of seconds, or None if it is no whole number."""
    if not _SECONDS.fullmatch(value):
        return None
    digits = value.lstrip("0") or "0"
    return _MOST_SECONDS if len(digits) > _MOST_DIGITS else min(int(digits), _MOST_SECONDS)
