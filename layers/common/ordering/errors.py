"""Refusals: what a rule answers when it says no. Values, not exceptions; they know no HTTP."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Refusal:
    """A rule said no.

    ``code`` is stable and kebab-case, for programs; ``detail`` tells a person why, and what to do.
    """

    code: str
    detail: str


@dataclass(frozen=True)
class NotFound(Refusal):
    """The order, or the part of it that the command names, does not exist for this caller."""


@dataclass(frozen=True)
class Forbidden(Refusal):
    """The caller may not do this at all, whatever the order's state is."""


ORDER_NOT_FOUND = NotFound("order-not-found", "There is no such order.")
