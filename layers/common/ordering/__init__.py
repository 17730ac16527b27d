"""The Order domain and the loops that every function shares."""
