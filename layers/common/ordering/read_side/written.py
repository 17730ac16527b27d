"""The SQL that writes sums as they are sent: PostgreSQL makes the JSON of them."""

from __future__ import annotations

from typing import Final


def money_sql(amount: str) -> str:
    """Return the SQL that writes an amount of sums, in their currency, as ``money`` does.

    Sums of amounts have all of the currency's digits, as their shares have.
    """
    return f"json_build_object('amount', ({amount})::text, 'currency', currency)"


def instant_sql(column: str) -> str:
    """Return the SQL that writes a time as ``rfc3339`` does."""
    return f"""to_char({column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""


# round is half up.
CURRENCY_SUMMARY: Final = f"""'currency', currency, 'orders', orders, 'cancelled', cancelled,
  'lifetime_value', {money_sql("lifetime_value")},
  'average', case when orders > 0
    then {money_sql("round(lifetime_value / orders, scale(lifetime_value))")} end,
  'returns', returns, 'refunded', {money_sql("refunded")},
  'first_order_at', {instant_sql("first_order_at")},
  'last_order_at', {instant_sql("last_order_at")}"""
"""The members of a ``CurrencySummary``, as the arguments of json_build_object."""
