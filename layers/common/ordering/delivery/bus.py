"""What the relay needs of the event bus: ``topic.Topic`` in production, a double in tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


class BusUnavailableError(Exception):
    """Kafka did not acknowledge. The records may or may not be in the topic."""


@dataclass
class Delivery:
    """What became of the records of one ``Bus.publish``, by their index in it.

    A record that is neither acknowledged nor refused may or may not be in the topic.
    """

    acknowledged: list[int] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)
    """Why Kafka does not take these records, however often they are sent."""
    failure: BusUnavailableError | None = None
    """Why the others were not acknowledged; None: there was no time left to try them."""


class Bus(Protocol):
    """Where events go."""

    def connect(self) -> None:
        """Return when the bus answers.

        Raises:
            BusUnavailableError: it does not.
        """

    def publish(self, records: Sequence[tuple[str, bytes]]) -> Delivery:
        """Put (key, value) records on the bus; return when it is known what became of each."""

    def publish_watermark(self, as_of: datetime, withheld: int) -> None:
        """Put a watermark on every partition and wait until all are acknowledged.

        Raises:
            BusUnavailableError: at least one was not acknowledged.
        """
