"""The model that the decision replaces: one normalised PostgreSQL for commands and questions."""
