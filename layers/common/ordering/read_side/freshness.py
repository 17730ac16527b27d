"""How fresh an answer is, and how long a caller waits for a fresher one.

Request: ``Consistency-Token`` (RFC-less, ours), ``Prefer: wait=<seconds>`` (RFC 7240) and
``Cache-Control: max-age=<seconds>`` (RFC 9111). Answer: ``Read-Model``, ``Read-Model-As-Of``,
``Read-Model-Stale``, ``Read-Model-Parked`` and ``Preference-Applied``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from ordering.runtime.consistency import BadTokenError, parse_tokens
from ordering.runtime.http import Problem
from ordering.runtime.problem_types import BAD_CONSISTENCY_TOKEN, READ_MODEL_BEHIND

from .header_lists import read_directives, read_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CLOCK_TOLERANCE: Final = "interval '0.5 seconds'"
"""By how much a watermark may be later than the read database's clock: two hosts' clocks differ.

The function ``freshness_of_generation`` has it too."""


@dataclass(frozen=True)
class ConsistencyRequest:
    """How fresh the caller wants the answer, and how many seconds it is worth waiting for."""

    versions: Mapping[str, int]
    max_age: int | None
    """At least 1: ``max-age=0`` is what browsers send by themselves, and asks for nothing."""
    wait: int | None

    @classmethod
    def of(cls, headers: Mapping[str, str], longest_wait: int) -> ConsistencyRequest:
        """Read it from the request's headers; a wait over ``longest_wait`` seconds is cut to that.

        Of several waits the first counts (RFC 7240, 2), of several max-ages the strictest.

        Raises:
            Problem: 400, a Consistency-Token that no command has answered.
        """
        tokens = headers.get("consistency-token", "").strip()
        try:
            versions = parse_tokens(tokens) if tokens else {}
        except BadTokenError as error:
            raise Problem(BAD_CONSISTENCY_TOKEN, f"Consistency-Token: {error}.") from error
        preferences = read_directives(headers.get("prefer", ""))
        wait = next((read_seconds(value) for name, value in preferences if name == "wait"), None)
        directives = read_directives(headers.get("cache-control", ""))
        ages = [read_seconds(value) for name, value in directives if name == "max-age"]
        return cls(
            versions=versions,
            max_age=min((age for age in ages if age), default=None),
            wait=None if wait is None else min(wait, longest_wait),
        )


@dataclass(frozen=True)
class Freshness:
    """What the read models behind an answer had applied when it was read."""

    read_model: str
    as_of: datetime | None
    """Every command acknowledged before is in the answer; None: not known. Never after read_at."""
    read_at: datetime
    applied: Sequence[Mapping[str, int]]
    """Per read model: the version it has of each order that the caller's tokens name."""
    parked: int = 0
    """The number of orders that as_of does not speak for, since events of them are held back."""
    parked_orders: Sequence[str] = ()
    """Those of the orders that the caller's tokens name that are parked: waiting is no use."""
    is_served: bool = True
    """False: no generation of a read model has ever been live; it is being filled."""
    asked_at: datetime | None = None
    """When the request came, from which max-age counts; None: when it was read."""

    def reaches(self, requested: ConsistencyRequest) -> bool:
        """Return whether the answer is as fresh as the caller wants it."""
        return self.is_served and not self._is_stale(requested) and not self._is_too_old(requested)

    def is_worth_waiting(self, requested: ConsistencyRequest) -> bool:
        """Return whether a later answer may be as fresh as the caller wants it."""
        is_parked = not requested.versions.keys().isdisjoint(self.parked_orders)
        return not self.reaches(requested) and not is_parked

    def headers(self, requested: ConsistencyRequest) -> dict[str, str]:
        """Return the headers that say how fresh the answer is."""
        headers = {
            "read-model": self.read_model,
            "read-model-stale": "?1" if self._is_stale(requested) else "?0",
        }
        if self.as_of is not None:
            headers["read-model-as-of"] = rfc3339(self.as_of)
        if self.parked:
            headers["read-model-parked"] = str(self.parked)
        if requested.wait is not None:
            headers["preference-applied"] = f"wait={requested.wait}"
        return headers

    def problem(self, requested: ConsistencyRequest) -> Problem | None:
        """Return the refusal of an answer that would mislead; None if it is stale at most."""
        unseen = [
            order_id
            for order_id in requested.versions
            for model in self.applied
            if order_id not in model
        ]
        parked = [order_id for order_id in unseen if order_id in self.parked_orders]
        if not self.is_served:
            detail = f"{self.read_model} is being filled for the first time."
        elif parked:
            detail = (
                f"The order {parked[0]} is parked in {self.read_model}: an event of it could not be"
                " applied. Operators see it and retry it."
            )
        elif unseen:
            detail = f"The order {unseen[0]} has not arrived in {self.read_model} yet."
        elif self._is_too_old(requested):
            known = f"is as of {rfc3339(self.as_of)}" if self.as_of else "has no known age yet"
            detail = f"{self.read_model} {known}; max-age={requested.max_age} was requested."
        else:
            return None
        return Problem(
            READ_MODEL_BEHIND,
            f"{detail} Try again, or send Prefer: wait=<seconds>.",
            headers={"retry-after": "1", **self.headers(requested), "read-model-stale": "?1"},
        )

    def _is_stale(self, requested: ConsistencyRequest) -> bool:
        return any(
            model.get(order_id, 0) < version
            for order_id, version in requested.versions.items()
            for model in self.applied
        )

    def _is_too_old(self, requested: ConsistencyRequest) -> bool:
        if requested.max_age is None:
            return False
        oldest = (self.asked_at or self.read_at) - timedelta(seconds=requested.max_age)
        return self.as_of is None or self.as_of < oldest


def rfc3339(instant: datetime) -> str:
    """Write a point in time in UTC, as exact as it is stored: with microseconds (RFC 3339)."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def read_rfc3339(text: str) -> datetime | None:
    """Return the point in time that ``rfc3339`` wrote, or None if it did not write this text."""
    try:
        instant = datetime.fromisoformat(text) if text.endswith("Z") else None
    except ValueError:
        return None
    return instant if instant is not None and rfc3339(instant) == text else None
