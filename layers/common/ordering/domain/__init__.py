"""Define the Order: its events, its rules and its values, without any I/O."""
