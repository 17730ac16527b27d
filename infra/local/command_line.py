"""How the commands of this package begin and end."""

import os
import sys
from collections.abc import Callable
from typing import Final, NoReturn

from infra.local import environment

_INTERRUPTED: Final = 130


def run_command(module: str, main: Callable[[], int]) -> NoReturn:
    """Run `main`, which `python -m module` has been called for, and exit with what it returns."""
    environment.clean()
    if not sys.flags.utf8_mode:
        # Files and names of files are UTF-8 here in every locale. PYTHON* variables are gone by
        # now, but this interpreter still goes by them.
        command = [sys.executable, "-X", "utf8", "-m", module, *sys.argv[1:]]
        os.execv(sys.executable, command)  # noqa: S606 - no shell is wanted
    status = 0
    try:
        status = main()
        sys.stdout.flush()
    except KeyboardInterrupt:
        status = _INTERRUPTED
    except BrokenPipeError:
        # The reader, such as head, has seen enough. Python flushes once more when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status)
