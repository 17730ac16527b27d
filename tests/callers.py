"""Who may call a function, by the contract: the scopes of which any one suffices.

Each command's and query's test declares one of these as its ``CALLERS``; the test of access tries
each function with every kind of token.
"""

from __future__ import annotations

from typing import Final

READ, WRITE, SELL, OPERATE = "orders:read", "orders:write", "orders:sell", "orders:operate"

READERS: Final = frozenset({READ})
CUSTOMERS: Final = frozenset({WRITE, SELL, OPERATE})
CHECKOUT: Final = frozenset({SELL, OPERATE})
OPERATORS: Final = frozenset({OPERATE})
