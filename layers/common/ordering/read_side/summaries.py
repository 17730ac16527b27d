"""The SQL that writes what a customer ordered in one currency as it is sent."""

from __future__ import annotations

from typing import Final


def _money(amount: str) -> str:
    return f"json_build_object('amount', ({amount})::text, 'currency', currency)"


def instant(column: str) -> str:
    """Return the SQL that writes a time as ``rfc3339`` does."""
    return f"""to_char({column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""


# Sums of amounts have all of the currency's digits, as their shares have; round is half up.
CURRENCY_SUMMARY: Final = f"""'currency', currency, 'orders', orders, 'cancelled', cancelled,
  'lifetime_value', {_money("lifetime_value")},
  'average', case when orders > 0
    then {_money("round(lifetime_value / orders, scale(lifetime_value))")} end,
  'returns', returns, 'refunded', {_money("refunded")},
  'first_order_at', {instant("first_order_at")}, 'last_order_at', {instant("last_order_at")}"""
"""The members of a ``CurrencySummary``, as the arguments of json_build_object."""
