"""The days of the business, in its own time zone."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from ordering.runtime.settings import BusinessTime, read_settings

if TYPE_CHECKING:
    from datetime import datetime, tzinfo


def business_zone() -> ZoneInfo:
    """Return the time zone that the template names.

    To be called when a projector's file is loaded: with a wrong name the function does not start,
    instead of parking every event.

    Raises:
        ZoneInfoNotFoundError: there is no such zone.
    """
    return ZoneInfo(read_settings(BusinessTime).business_time_zone)


def day_of(at: datetime, zone: tzinfo) -> str:
    """Return the day (ISO 8601) in which a moment lies."""
    return at.astimezone(zone).date().isoformat()
