"""One file, one read model: how each event changes it, its handler."""
