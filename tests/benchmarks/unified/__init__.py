"""The model that the decision replaces: one normalised PostgreSQL for commands and questions."""

from pathlib import Path
from typing import Final

SCHEMA: Final = Path(__file__).parent / "schema.sql"
"""Its tables and indexes."""
