"""How facts are recorded, and read again: each with what followed from it. Pure.

A reader never has to ask back for the rest of the order, and never sees an old schema version.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, NotRequired

from pydantic import Field, StringConstraints, TypeAdapter
from typing_extensions import TypedDict

from .events import EVENT_TYPES, OrderEvent
from .parts import Balance, Line, Payment, Refund, Return, Shipment, Totals, Units
from .upcasting import upcast
from .values import Currency, CustomerId, Value

if TYPE_CHECKING:
    from collections.abc import Mapping


class After(Value):
    """What the order is after a fact: its status and sums, and those parts that the fact changed.

    The lines of OrderPlaced are its own and not repeated here. ``currency``, ``totals``,
    ``balance`` and ``units`` are missing only where version 1 of an event did not record them.
    """

    customer_id: CustomerId
    status: Annotated[
        str,
        StringConstraints(pattern="^[a-z_]+$"),
        Field(description="the order's status, one word"),
    ]
    currency: Currency | None = None
    totals: Totals | None = None
    balance: Balance | None = None
    units: Units | None = None
    lines: tuple[Line, ...] | None = None
    payments: tuple[Payment, ...] | None = None
    shipments: tuple[Shipment, ...] | None = None
    returns: tuple[Return, ...] | None = None
    refunds: tuple[Refund, ...] | None = None


@dataclass(frozen=True)
class Recorded:
    """A fact and what followed from it: one event of the log."""

    fact: OrderEvent
    after: After

    def data(self) -> str:
        """Return the event's JSON object as it is stored and published."""
        fact = self.fact.model_dump_json(exclude_none=True)
        after = self.after.model_dump_json(exclude_none=True)
        return f'{fact[:-1]}{"," if len(fact) > len("{}") else ""}"after":{after}}}'


class UnknownEventError(ValueError):
    """The event's type or schema version is not known to this code."""


def parse(event_type: str, schema_version: int, data: object) -> Recorded:
    """Read the JSON object ``data`` of a stored or published event, already decoded.

    Raises:
        UnknownEventError: no such type, or a schema version that this code does not know.
        ValueError: the data does not fit the schema (pydantic's ValidationError is one).
    """
    event = EVENT_TYPES.get(event_type)
    if event is None:
        raise UnknownEventError(f"unknown event type {event_type!r}")
    if not 1 <= schema_version <= event.schema_version:
        raise UnknownEventError(
            f"{event_type} has schema version {event.schema_version} here, not {schema_version}"
        )
    if not isinstance(data, dict):
        raise ValueError(f"an event's data is an object, not {type(data).__name__}")  # noqa: TRY004 - see Raises
    newest: dict[str, Any] = upcast(event_type, schema_version, event.schema_version, data)
    # A newer writer may have added optional fields: they are not this reader's business.
    return Recorded(
        fact=event.model_validate(newest, extra="ignore"),
        after=After.model_validate(newest.get("after"), extra="ignore"),
    )


class Member(NamedTuple):
    """An event that was read as a member of a JSON object, and the other members asked for."""

    recorded: Recorded
    others: Mapping[str, Any]


def parse_member(
    name: str, event_type: str, schema_version: int, value: bytes, others: tuple[str, ...]
) -> Member | None:
    """Read the event that is the member ``name`` of a JSON object, as ``parse`` would.

    pydantic reads the bytes itself, once for the fact and once for ``after``: that takes half the
    time of decoding them first.

    Returns:
        The event with those of the ``others`` that are there, unchecked; None if it is of another
        than the newest version of its type.

    Raises:
        ValueError: the object or the event does not fit.
    """
    validators = _validators(name, event_type, schema_version, others)
    if validators is None:
        return None
    of_fact, of_after = validators
    read = of_fact.validate_json(value, extra="ignore")
    after = of_after.validate_json(value, extra="ignore")[name]["after"]
    return Member(Recorded(read[name], after), read)


@cache
def _validators(
    name: str, event_type: str, schema_version: int, others: tuple[str, ...]
) -> tuple[TypeAdapter[Any], TypeAdapter[Any]] | None:
    event = EVENT_TYPES.get(event_type)
    if event is None or schema_version != event.schema_version:
        return None
    unchecked = dict.fromkeys(others, NotRequired[Any])
    of_fact: Any = TypedDict("WithFact", {**unchecked, name: event})  # type: ignore[misc] # as called
    of_after: Any = TypedDict("WithAfter", {name: TypedDict("Data", {"after": After})})  # type: ignore[misc] # likewise
    return TypeAdapter(of_fact), TypeAdapter(of_after)
