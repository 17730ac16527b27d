"""One file, one question: its parameters, its SQL, its handler."""
