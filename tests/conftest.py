"""For tests of every height."""

import signal

# As Ctrl-C does it: fixtures stop what they have started. `make test` ends so what it runs beside.
signal.signal(signal.SIGTERM, signal.default_int_handler)
