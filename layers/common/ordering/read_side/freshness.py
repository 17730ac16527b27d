"""How fresh an answer is, and how long a caller waits for a fresher one.

Request: ``Consistency-Token`` (RFC-less, ours), ``Prefer: wait=<seconds>`` (RFC 7240) and
``Cache-Control: max-age=<seconds>`` (RFC 9111). Answer: ``Read-Model``, ``Read-Model-As-Of``,
``Read-Model-Stale`` and ``Preference-Applied``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Final

from ordering.consistency import BadTokenError, parse_tokens
from ordering.http import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

MAX_WAIT_SECONDS: Final = 20
_WAIT: Final = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?([0-9]{1,6})\"?", re.ASCII | re.IGNORECASE)
_MAX_AGE: Final = re.compile(
    r"(?:^|[,\s])max-age\s*=\s*\"?([0-9]{1,9})\"?", re.ASCII | re.IGNORECASE
)


@dataclass(frozen=True)
class Wish:
    """How fresh the caller wants the answer, and how many seconds it is worth waiting for."""

    versions: Mapping[str, int]
    max_age: int | None
    wait: int | None

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Wish:
        """Read it from the request's headers; a wait over 20 seconds is cut to 20.

        Raises:
            Problem: 400, a Consistency-Token that no command has answered.
        """
        tokens = headers.get("consistency-token", "").strip()
        try:
            versions = parse_tokens(tokens) if tokens else {}
        except BadTokenError as error:
            raise Problem(400, "bad-consistency-token", f"Consistency-Token: {error}.") from error
        wait = _WAIT.search(headers.get("prefer", ""))
        max_age = _MAX_AGE.search(headers.get("cache-control", ""))
        return cls(
            versions=versions,
            max_age=int(max_age[1]) if max_age else None,
            wait=min(int(wait[1]), MAX_WAIT_SECONDS) if wait else None,
        )


@dataclass(frozen=True)
class Freshness:
    """What the read models behind an answer had applied when it was read."""

    read_model: str
    as_of: datetime | None
    """Every command acknowledged before is in the answer; None: not known yet."""
    read_at: datetime
    applied: Sequence[Mapping[str, int]]
    """Per read model: the version it has of each order that the caller's tokens name."""

    def reaches(self, wish: Wish) -> bool:
        """Tell whether the answer is as fresh as the caller wants it."""
        return not self._is_stale(wish) and not self._is_too_old(wish)

    def headers(self, wish: Wish) -> dict[str, str]:
        """Give the headers that say how fresh the answer is."""
        headers = {
            "read-model": self.read_model,
            "read-model-stale": "?1" if self._is_stale(wish) else "?0",
        }
        if self.as_of is not None:
            headers["read-model-as-of"] = rfc3339(self.as_of)
        if wish.wait is not None:
            headers["preference-applied"] = f"wait={wish.wait}"
        return headers

    def problem(self, wish: Wish) -> Problem | None:
        """Give the refusal of an answer that would mislead; None: stale at most, and it says so."""
        unseen = [
            order_id
            for order_id in wish.versions
            for model in self.applied
            if order_id not in model
        ]
        if unseen:
            detail = f"The order {unseen[0]} has not arrived in {self.read_model} yet."
        elif self._is_too_old(wish):
            known = f"is as of {rfc3339(self.as_of)}" if self.as_of else "has no known age yet"
            detail = f"{self.read_model} {known}; max-age={wish.max_age} was asked for."
        else:
            return None
        return Problem(
            503,
            "read-model-behind",
            f"{detail} Try again, or send Prefer: wait=<seconds>.",
            headers={"retry-after": "1", **self.headers(wish), "read-model-stale": "?1"},
        )

    def _is_stale(self, wish: Wish) -> bool:
        return any(
            model.get(order_id, 0) < version
            for order_id, version in wish.versions.items()
            for model in self.applied
        )

    def _is_too_old(self, wish: Wish) -> bool:
        if wish.max_age is None:
            return False
        return self.as_of is None or (self.read_at - self.as_of).total_seconds() > wish.max_age


def rfc3339(instant: datetime) -> str:
    """Write a point in time in UTC with milliseconds (RFC 3339)."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
