"""Provide what every function stands on: handler, HTTP, PostgreSQL, settings, logs."""
