"""Stacks, migrations and the local runner."""
