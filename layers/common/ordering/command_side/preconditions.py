"""What a caller makes a command depend on: ``Idempotency-Key`` and ``If-Match``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from ordering.runtime.http import Problem
from ordering.runtime.problem_types import BAD_IDEMPOTENCY_KEY, BAD_IF_MATCH

if TYPE_CHECKING:
    from collections.abc import Mapping

_IDEMPOTENCY_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)
_ENTITY_TAG: Final = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
# An element of a list, with the comma after it. It may be empty (RFC 9110, 5.6.1.2).
_ELEMENT: Final = re.compile(rf"[ \t]*({_ENTITY_TAG.pattern})?[ \t]*(?:,|$)")
_BAD_IF_MATCH: Final = Problem(
    BAD_IF_MATCH, 'If-Match is the ETag of the order, such as "3" in quotes.'
)


def idempotency_key_of(headers: Mapping[str, str]) -> str | None:
    """Read the header, if there is one.

    Raises:
        Problem: 400 bad-idempotency-key.
    """
    key = headers.get("idempotency-key")
    if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
        raise Problem(BAD_IDEMPOTENCY_KEY, "Idempotency-Key has 1 to 255 visible ASCII characters.")
    return key


@dataclass(frozen=True)
class IfMatch:
    """The ETags that the order may have (RFC 9110, 13.1.1); None: any, but it has to be there."""

    tags: frozenset[str] | None

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Self | None:
        """Read the header, if there is one.

        Raises:
            Problem: 400 bad-if-match. A tag that no order ever has is none that matches, and no
                error.
        """
        if (sent := headers.get("if-match")) is None:
            return None
        if (sent := sent.strip()) == "*":
            return cls(None)
        tags, position = set(), 0
        while position < len(sent):
            element = _ELEMENT.match(sent, position)
            if element is None:
                raise _BAD_IF_MATCH
            tags.add(element[1])
            position = element.end()
        tags.discard(None)
        if not tags:
            raise _BAD_IF_MATCH
        return cls(frozenset(tags))

    def allows(self, version: int) -> bool:
        """Return whether the order may have this version; a weak tag never matches."""
        return self.tags is None or f'"{version}"' in self.tags
