"""One file, one command: its fields, its rule, its handler."""
